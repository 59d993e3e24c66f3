"""Install what generates clients from the description: `python -m tests.e2e.generated_clients.install`.

Owns two environments under var/generated-clients, apart from .venv, whose libraries they must not decide: `python` has
the generator and what its client needs, `node` the one for TypeScript with its compiler. Does nothing for one that is
there already.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from shared.settings import ROOT
from tools.node import npm

HERE = Path(__file__).resolve().parent
FOLDER = ROOT / "var" / "generated-clients"
PYTHON_FOLDER = FOLDER / f"python-{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = PYTHON_FOLDER / "bin" / "python"
NODE_MODULES = FOLDER / "node" / "node_modules"
REQUIREMENTS = ROOT / "requirements" / "generated-client.txt"
PACKAGES = (HERE / "package.json", HERE / "package-lock.json")
STAMP = ".installed"
REMEDY = "run `python -m tests.e2e.generated_clients.install`, which `make test` does"


def install() -> None:
    """Make both environments, one process at a time; one that is cut off is made anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make(PYTHON_FOLDER, (REQUIREMENTS,), _install_python)
        _make(FOLDER / "node", PACKAGES, _install_node)


def is_installed() -> bool:
    """Return whether both environments are those of today's pins."""
    return _stamp(PYTHON_FOLDER) == _sum(REQUIREMENTS) and _stamp(FOLDER / "node") == _sum(*PACKAGES)


def _make(folder: Path, pins: tuple[Path, ...], fill: Callable[[Path], None]) -> None:
    if _stamp(folder) == _sum(*pins):
        return
    print(
        f"==> installing what generates clients for the tests into {folder.relative_to(ROOT)}",
        flush=True,
    )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    fill(folder)
    (folder / STAMP).write_text(_sum(*pins))


def _install_python(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", *quiet, "-r", REQUIREMENTS], check=True)


def _install_node(folder: Path) -> None:
    for path in PACKAGES:
        shutil.copy(path, folder)
    npm("ci", "--ignore-scripts", folder=folder)
    if not (folder / "node_modules" / "typescript").is_dir():  # npm may say that all is well where no registry answers
        raise SystemExit("npm brought no TypeScript: can the npm registry be reached?")


def _stamp(folder: Path) -> str:
    return (folder / STAMP).read_text() if (folder / STAMP).exists() else ""


def _sum(*pins: Path) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in pins:
        digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    install()
