"""Unpack one pinned wheel into a folder that is removed again: a tool that installing needs, and nothing afterwards.

Imports the standard library alone: an image's build has no more.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoWheel(Exception):
    """Say why a wheel cannot be had, in pip's last words."""


@contextmanager
def unpacked(python: Path, requirements: Path, package: str) -> Iterator[Path]:
    """Give a folder with the package that a list pins, fetched by that Python's pip, for this long. Raises NoWheel."""
    pinned = re.search(rf"^{re.escape(package)}==\S+", requirements.read_text(), re.M)
    assert pinned is not None, f"{requirements} pins no {package}"
    with tempfile.TemporaryDirectory(prefix=f"ostinato-{package}-") as folder:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        done = subprocess.run([*pip, "--no-deps", "--target", folder, pinned[0]], capture_output=True, text=True)
        if done.returncode:
            raise NoWheel((done.stdout + done.stderr).strip().rpartition("\n")[2])
        yield Path(folder)
