"""`music-gen PROMPT -o FILE`: one clip from a server, with a progress bar. Owns the options and what a terminal shows.

The key comes from the environment (MUSIC_GEN_API_KEY): on the command line every user of the machine could read it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO, get_args

from music_gen.answers import Task
from music_gen.calls import OutputFormat
from music_gen.client import APIClient
from music_gen.connection import BASE_URL
from music_gen.errors import MusicGenError

BAR_CHARACTERS = 30
FORMATS = get_args(OutputFormat)
INTERRUPTED = 130
EPILOG = "environment: MUSIC_GEN_BASE_URL (the default of --base-url), MUSIC_GEN_API_KEY"


class Bar:
    """One line that is drawn over; where nobody looks (a pipe, a log), a line for each new stage."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._stage = ""

    def show(self, task: Task) -> None:
        if not self._live:
            if task.stage != self._stage:
                print(task.stage, file=self._out, flush=True)
            self._stage = task.stage
            return
        full = round(task.progress / 100 * BAR_CHARACTERS)
        left = "" if task.eta_s is None or task.ended else f", {task.eta_s:.0f} s left"
        line = f"[{'#' * full}{'.' * (BAR_CHARACTERS - full)}] {task.progress:3.0f} % {_words(task)}{left}"
        print(f"\r\x1b[K{line}", end="\n" if task.ended else "", file=self._out, flush=True)


def _words(task: Task) -> str:
    return f"{task.position} before it" if task.stage == "queued" and task.position else task.stage


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 for what went wrong, 2 for what was typed wrong, 130 after Ctrl-C."""
    parser = make_parser()
    asked = parser.parse_args(arguments)
    kind = asked.output.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        parser.error(f"--output {asked.output}: the name must end in .{', .'.join(FORMATS)}")
    if not asked.prompt and asked.melody is None:
        parser.error("say what to hear: a prompt, a --melody, or both")
    if asked.melody is not None and not asked.melody.is_file():
        parser.error(f"--melody {asked.melody}: no such file")
    fields: dict[str, Any] = {name: getattr(asked, name) for name in ("model", "seed", "temperature", "guidance_scale")}
    try:
        with APIClient(os.environ.get("MUSIC_GEN_API_KEY") or None, asked.base_url) as client:
            clip = client.generate(
                asked.prompt,
                asked.duration,
                melody=asked.melody,
                on_progress=None if asked.quiet else Bar(sys.stderr).show,
                output_format=kind,
                **fields,
            )
        clip.save(asked.output)
    except KeyboardInterrupt:
        print("\ncancelled", file=sys.stderr)
        return INTERRUPTED
    except (MusicGenError, OSError) as error:
        print(f"music-gen: {error}", file=sys.stderr)
        return 1
    for warning in clip.warnings:
        print(f"music-gen: {warning}", file=sys.stderr)
    print(f"{asked.output}: {clip.duration_s:.1f} s by {clip.model}, seed {clip.seed}")
    if asked.play:
        clip.play()
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("music-gen", description="Text and melody to music.", epilog=EPILOG)
    parser.add_argument("prompt", nargs="?", default="", help="what to hear, such as 'lofi piano'")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("music.wav"), help="the file; its suffix is the format"
    )
    parser.add_argument("-m", "--melody", type=Path, help="an audio file whose tune to follow")
    parser.add_argument("-d", "--duration", type=float, help="seconds of music")
    parser.add_argument("--model", help="one that the server has")
    parser.add_argument("--seed", type=int, help="the same seed, the same music")
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--guidance-scale", type=float)
    parser.add_argument("--base-url", default=os.environ.get("MUSIC_GEN_BASE_URL") or BASE_URL, help="the server")
    parser.add_argument("--play", action="store_true", help="play it when it is there")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    return parser
