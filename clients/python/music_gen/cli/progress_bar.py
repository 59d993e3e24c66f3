"""Show progress in a terminal: of one clip as a line that is drawn over, of several as a line each.

Where no terminal is, one clip has a line for each stage; several are told as they are saved, and only then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from music_gen.remote.chunk_assembler import AudioChunk
from music_gen.types import Batch, Task

CHARACTERS = 30


class Bar:
    """Show the progress of three makers: a server's task, its sound as it comes, and the engine in this process."""

    def __init__(self, out: TextIO | None) -> None:
        """Write to `out`; None shows nothing."""
        self._out = out
        self._live = out is not None and out.isatty()
        self._stage = ""
        self._since: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

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


class Bars:
    """Show a bar for each clip of a batch that is being made, and one for all of them."""

    def __init__(self, out: TextIO | None) -> None:
        """Write to `out`; None shows nothing."""
        self._out = out
        self._live = out is not None and out.isatty()
        self._bars: list[TaskID] = []
        self._left = ExitStack()
        self._progress = Progress(
            BarColumn(CHARACTERS),
            TextColumn("{task.percentage:3.0f} % {task.description}", markup=False),
            console=Console(file=out, force_terminal=self._live or None),
            redirect_stdout=sys.stdout.isatty(),
            transient=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.close()

    def show(self, names: Sequence[str], batch: Batch) -> None:
        """Show how far the batch is; `names` are those of its tasks, in their order."""
        if not self._live:
            return
        if not self._bars:
            self._left.enter_context(self._progress)
        while len(self._bars) <= len(names):
            self._bars.append(self._progress.add_task("", total=100.0, visible=False))
        done = sum(task.ended for task in batch.tasks)
        left = "" if batch.eta_s is None else f", {batch.eta_s:.0f} s left"
        words = f"{done} of {batch.total} made{left}"
        self._progress.update(self._bars[0], completed=batch.progress, description=words, visible=True)
        for bar, name, task in zip(self._bars[1:], names, batch.tasks, strict=True):
            running = task.status == "processing" and task.stage != "queued"
            self._progress.update(bar, completed=task.progress, description=name, visible=running)
