"""Show progress in a terminal: one line that is drawn over; where no terminal is, a line for each stage."""

from __future__ import annotations

import time
from typing import TextIO

from music_gen.remote.chunk_assembler import AudioChunk
from music_gen.types import Task

CHARACTERS = 30


class Bar:
    """Show the progress of three makers: a server's task, its sound as it comes, and the engine in this process."""

    def __init__(self, out: TextIO | None) -> None:
        """Write to `out`; None shows nothing."""
        self._out = out
        self._live = out is not None and out.isatty()
        self._stage = ""
        self._since: float | None = None

    def show_task(self, task: Task) -> None:
        stage = f"{task.position} before it" if task.stage == "queued" and task.position else task.stage
        self.show(stage, task.progress, task.eta_s)

    def show_chunk(self, chunk: AudioChunk) -> None:
        percent = chunk.progress or 0.0
        self.show("coming in" if percent < 100 else "completed", percent, self._left_s(percent))

    def show_percent(self, percent: float) -> None:
        self.show("running" if percent < 100 else "completed", percent, self._left_s(percent))

    def show(self, stage: str, percent: float = 0.0, eta_s: float | None = None) -> None:
        if self._out is None:
            return
        if not self._live:
            if stage != self._stage:
                print(stage, file=self._out, flush=True)
            self._stage = stage
            return
        full = round(percent / 100 * CHARACTERS)
        left = "" if eta_s is None or percent >= 100 else f", {eta_s:.0f} s left"
        line = f"[{'#' * full}{'.' * (CHARACTERS - full)}] {percent:3.0f} % {stage}{left}"
        print(f"\r\x1b[K{line}", end="", file=self._out, flush=True)
        self._stage = stage

    def end(self) -> None:
        """End the line, so that what is printed next begins on its own."""
        if self._live and self._stage:
            print(file=self._out, flush=True)
        self._stage = ""

    def _left_s(self, percent: float) -> float | None:
        """Estimate the seconds left from how long it took so far."""
        now = time.monotonic()
        if self._since is None or not percent:
            self._since = now
            return None
        return (now - self._since) * (100 - percent) / percent
