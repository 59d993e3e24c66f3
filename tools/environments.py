"""Make Python environments of exactly what is named, beside .venv: pinned tools, or a package as its users install it.

uv makes them in a second or two where it is there, else venv and pip; npm makes those of JavaScript tools.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stack.install.npm import MANIFESTS
from tools.node import install_locked

KEPT = Path(sys.prefix) / "environments"  # in .venv


def make_environment(folder: Path, arguments: Sequence[str | Path], python: str = sys.executable) -> Path:
    """Make an environment anew in the folder, of pip's `arguments` (packages, files, `-r`, `-c`); return its Python.

    Raises CalledProcessError, after showing what the installer said.
    """
    shutil.rmtree(folder, ignore_errors=True)
    interpreter = folder / "bin" / "python"
    if subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True).returncode == 0:
        uv = [sys.executable, "-m", "uv"]
        _run([*uv, "venv", "--quiet", "--python", python, str(folder)])
        _run([*uv, "pip", "install", "--quiet", "--python", str(interpreter), *map(str, arguments)])
    else:
        _run([python, "-m", "venv", str(folder)])
        _run([str(interpreter), "-m", "pip", "install", "--quiet", *map(str, arguments)])
    return interpreter


def find_python(version: str) -> str:
    """Return a program of that Python: the PATH's, or pyenv's, whose own on the PATH may be for another version.

    Where there is none, its version, for which uv fetches one.
    """
    name, pyenv = f"python{version}", Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for program in (shutil.which(name), *pyenv.glob(f"versions/{version}.*/bin/{name}")):
        if program and subprocess.run([program, "-c", ""], capture_output=True).returncode == 0:
            return str(program)
    return version


def pinned_environment(name: str, requirements: Path) -> Path:
    """Return the Python of an environment of these requirements, which is kept until they change."""
    folder = KEPT / name
    with _made_once(folder, requirements.read_text() + sys.version) as is_made:
        if not is_made:
            make_environment(folder, ["-r", requirements])
    return folder / "bin" / "python"


def pinned_npm_environment(name: str, source: Path) -> Path:
    """Return the node_modules of what the source's package-lock.json pins, which is kept until that changes."""
    folder = KEPT / name
    with _made_once(folder, "".join((source / file).read_text() for file in MANIFESTS)) as is_made:
        if not is_made:
            shutil.rmtree(folder, ignore_errors=True)
            install_locked(source, folder)
    return folder / "node_modules"


@contextmanager
def _made_once(folder: Path, content: str) -> Iterator[bool]:
    """Say whether the folder was made of just this; one process at a time, and its stamp is written at the end."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stamp = folder.with_name(f"{folder.name}.made")
    digest = hashlib.sha256(content.encode()).hexdigest()
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_made = stamp.exists() and stamp.read_text() == digest
        if not is_made:
            stamp.unlink(missing_ok=True)
        yield is_made
        stamp.write_text(digest)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout)
