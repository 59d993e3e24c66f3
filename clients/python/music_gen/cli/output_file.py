"""Name the file that a clip goes to, by -o and --format; save it over nothing that is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import get_args

from music_gen.audio import AudioOutput
from music_gen.cli.failures import Misuse
from music_gen.request_fields import OutputFormat

FORMATS: tuple[str, ...] = get_args(OutputFormat)
STDOUT = Path("-")
STEM = "music"
USUAL_FORMAT: OutputFormat = "wav"


@dataclass(frozen=True)
class Target:
    """Say where one clip goes, and in which format the server makes it. `path` may be STDOUT."""

    path: Path
    format: OutputFormat


def target_of(output: Path | None, format: OutputFormat | None) -> Target:
    """Return where the clip goes. Raises Misuse for a name that says no format, or another one than `format`."""
    chosen: OutputFormat = format or USUAL_FORMAT
    if output is None:
        return Target(Path(f"{STEM}.{chosen}"), chosen)
    if output == STDOUT:
        return Target(STDOUT, chosen)
    if output.is_dir():
        return Target(output / f"{STEM}.{chosen}", chosen)
    if not output.parent.is_dir():
        raise Misuse(f"--output {output}: there is no folder {output.parent}; make it first")
    return Target(*_named(output, format))


def _named(output: Path, format: OutputFormat | None) -> tuple[Path, OutputFormat]:
    suffix = output.suffix.lower().removeprefix(".")
    if not suffix and format:
        return output.with_suffix(f".{format}"), format
    for known in get_args(OutputFormat):
        if known == suffix and format in (None, known):
            return output, known
    if suffix in FORMATS:
        raise Misuse(f"--output {output} and --format {format} name two formats; leave one of them out")
    raise Misuse(f"--output {output}: the name must end in .{', .'.join(FORMATS)}")


def save(clip: AudioOutput, path: Path, *, force: bool) -> Path:
    """Write the file and return its path: music-2.wav where music.wav is there already; with `force`, over it."""
    if force:
        return clip.save(path)
    for candidate in _candidates(path):
        try:
            candidate.open("xb").close()
        except FileExistsError:
            continue
        try:
            return clip.save(candidate)
        except BaseException:
            candidate.unlink(missing_ok=True)
            raise
    raise AssertionError("there is always one more number")


def numbered(path: Path, number: int) -> Path:
    """Return the path of the file with that number: music-2.wav."""
    return path.with_stem(f"{path.stem}-{number}")


def _candidates(path: Path) -> Iterator[Path]:
    return chain([path], (numbered(path, number) for number in count(2)))
