"""Find the ffmpeg program that writes AAC: the one of FFMPEG, of the PATH, or of the imageio-ffmpeg wheel."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shared.audio.aac import CONTAINERS, encoder_options
from shared.errors import ConfigurationError
from shared.music.formats import FORMATS

log = logging.getLogger(__name__)

PATIENCE_S = 30.0
RATE_HZ = 32_000
SILENCE = bytes(RATE_HZ // 10 * 2)  # a tenth of a second of 16-bit samples


def find_ffmpeg(configured: str | None) -> str | None:
    """Return a program that has written silence in each format that needs one; None where there is none.

    Raises ConfigurationError when the one that FFMPEG names cannot.
    """
    if configured is None:
        return next(filter(writes_aac, ffmpeg_programs(None)), None)
    program = next(ffmpeg_programs(configured), None)
    if program is None or not writes_aac(program):
        why = "is no program" if program is None else "cannot write AAC"
        raise ConfigurationError(f"FFMPEG={configured}: that {why}; name an ffmpeg that can, or leave FFMPEG out")
    return program


def writes_aac(program: str) -> bool:
    """Tell by trying whether a program writes every format that needs one."""
    with tempfile.TemporaryDirectory(prefix="ostinato-") as folder:
        return all(_writes(program, each.name, Path(folder)) for each in FORMATS.values() if each.needs_ffmpeg)


def _writes(program: str, name: str, folder: Path) -> bool:
    out = folder / f"silence.{name}"
    command = [program, "-f", "s16le", "-ar", str(RATE_HZ), "-ac", "1", "-i", "pipe:0"]
    command += [*encoder_options(name, RATE_HZ, 1), "-f", CONTAINERS[name], str(out)]
    try:
        done = subprocess.run(command, input=SILENCE, capture_output=True, timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("%s is not used: %s", program, error)
        return False
    if done.returncode or not out.is_file() or not out.stat().st_size:
        log.warning("%s is not used: it writes no %s: %s", program, name, done.stderr.decode(errors="replace")[-200:])
        return False
    return True


def ffmpeg_programs(configured: str | None) -> Iterator[str]:
    """Yield the programs that may write AAC here, the first choice first, untried."""
    if (on_path := shutil.which(configured or "ffmpeg")) is not None:
        yield on_path
    if configured is not None:
        return
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        yield get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # not installed, or a wheel without a program for this platform
        return
