"""Keep the virtual environment: make it, and remember what is installed in it, so that a second run does nothing.

The record lies in the environment, written at the end of each step. While packages are written a second file lies
there: found by a later run, it says that one was cut off, and that packages may look installed which are half written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stack.install.failures import DiskFull, InstallFailed
from stack.install.torch_build import Build

RECORD, UNDER_WAY = ".installed.json", ".installing"
FULL_BYTES = 1 << 20  # a disk with less is full
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


class Environment:
    """Keep one virtual environment in a folder, which may not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self._unfinished = folder.with_name(f"{folder.name}.making")
        self._record = self._read_record()

    def is_usable(self) -> bool:
        """Tell whether it is there with pip, completely made.

        Raises InstallFailed for one whose Python has another version than this one.
        """
        if self._unfinished.exists():
            return False
        if Path(sys.prefix).resolve() == self.folder.resolve():
            return True
        version = self._version()
        if version not in ("", VERSION):
            raise InstallFailed(
                f"{self.folder} has Python {version}, and {VERSION} is asked for: name another folder for it, as "
                f"VENV={self.folder}-{VERSION}, or remove {self.folder}"
            )
        return bool(version)

    def _version(self) -> str:
        """Return the version of its Python; empty where it does not run, or has no pip."""
        code = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
        with contextlib.suppress(OSError):
            return subprocess.run([self.python, "-c", code], capture_output=True, text=True).stdout.strip()
        return ""

    def make(self, need_gb: float) -> None:
        """Make it anew with the Python that runs this. Raises InstallFailed, which may tell what is needed in all."""
        self._unfinished.touch()
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", self.folder], capture_output=True, text=True)
        if made.returncode:
            why = f"{made.stdout}{made.stderr}".strip()
            if shutil.disk_usage(self.folder).free < FULL_BYTES:
                raise DiskFull(self.folder, need_gb, "nothing was installed")
            last = why.splitlines()[-1] if why else f"exit code {made.returncode}"
            raise InstallFailed(
                f"{self.folder} cannot be made with {sys.executable} ({last}); mend that and run it again"
            )
        self._record = {}
        self._unfinished.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._unfinished.unlink(missing_ok=True)

    def torch_build(self) -> Build | None:
        """Return which build of torch is installed, completely or not; None without one."""
        found = [path.name for path in self.folder.glob("lib/python*/site-packages/torch-*.dist-info")]
        if not found:
            return None
        return Build.CPU if any("+cpu" in name for name in found) else Build.USUAL

    def has(self, step: str, lines: Sequence[str]) -> bool:
        """Tell whether this step was completed with these very lines, by this version of Python."""
        return bool(self._record.get(step, {}).get("digest") == _digest(lines)) and not self.was_cut_off()

    def installed_names(self) -> set[str]:
        """Return the packages that completed steps have installed here."""
        return {name for step in self._record.values() for name in step["names"]}

    def keep(self, step: str, lines: Sequence[str], names: Iterable[str]) -> None:
        self._record[step] = {"digest": _digest(lines), "names": sorted(names)}
        self._write_record()

    def was_cut_off(self) -> bool:
        return (self.folder / UNDER_WAY).exists()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Note that packages are being written; what fails in between is repaired by the next run."""
        (self.folder / UNDER_WAY).touch()
        yield
        self.is_as_before()

    def is_as_before(self) -> None:
        """Note that nothing is half written."""
        (self.folder / UNDER_WAY).unlink(missing_ok=True)

    def _read_record(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.folder / RECORD).read_text())
            return found if isinstance(found, dict) else {}
        return {}

    def _write_record(self) -> None:
        new = self.folder / f"{RECORD}.new"
        new.write_text(json.dumps(self._record, indent=1))
        new.replace(self.folder / RECORD)


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join([VERSION, *lines]).encode()).hexdigest()
