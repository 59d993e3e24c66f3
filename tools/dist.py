"""Build and check what leaves the house: wheel and sdist of music_gen, tarball of musicgen-api. `python -m tools.dist`.

Into dist/, or the folder that is named. The tools that build and judge are pinned, in environments of their own. What
the packages do once they are installed is for the tests (tests/e2e/test_installed_packages.py).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from shared.settings import ROOT
from tools.environments import pinned_environment, pinned_npm_environment
from tools.node import NODE, npm

PYTHON_SOURCE, JS_SOURCE = ROOT / "clients" / "python", ROOT / "clients" / "js"
REQUIREMENTS = ROOT / "requirements" / "dist.txt"
NPM_TOOLS = ROOT / "tools" / "npm"
BUILT = ("music_gen-*", "musicgen-api-*")  # in dist/
LEFT_BEHIND = ("dist", "build", "node_modules", "*.egg-info", "__pycache__", "*.tgz")  # by earlier builds


class PackageFault(Exception):
    """Say what a checker has against a package."""


def build_python(out: Path) -> tuple[Path, Path]:
    """Return the wheel, built from the sdist, and the sdist. Raises PackageFault."""
    with tempfile.TemporaryDirectory() as folder:
        source = _copy(PYTHON_SOURCE, Path(folder))
        python = pinned_environment("dist", REQUIREMENTS)
        _run([str(python), "-m", "build", "--no-isolation", "--outdir", str(out.resolve()), str(source)])
    (wheel,), (sdist,) = out.glob("music_gen-*.whl"), out.glob("music_gen-*.tar.gz")
    return wheel, sdist


def build_npm(out: Path) -> Path:
    """Return the tarball. Raises PackageFault where npm has a warning."""
    with tempfile.TemporaryDirectory() as folder:
        packed = npm("pack", "--json", "--pack-destination", out.resolve(), folder=_copy(JS_SOURCE, Path(folder)))
    if "npm warn" in packed.stderr.lower():
        raise PackageFault(packed.stderr)
    report = packed.stdout[packed.stdout.index("[\n") :]  # after what its scripts say
    return out / str(json.loads(report)[0]["filename"])


def check_python(*files: Path) -> None:
    """Raises PackageFault for metadata or a README that a package index would not take, or not show."""
    python = pinned_environment("dist", REQUIREMENTS)
    _run([str(python), "-m", "twine", "check", "--strict", *map(str, files)])


def check_npm(tarball: Path) -> None:
    """Raises PackageFault where a resolver, of Node, a bundler or TypeScript, would not find code or types."""
    programs = pinned_npm_environment("npm-tools", NPM_TOOLS) / ".bin"
    _run([str(NODE), str(programs / "publint"), "run", "--strict", str(tarball.resolve())])
    _run([str(NODE), str(programs / "attw"), "--no-emoji", "--no-color", str(tarball.resolve())])


def main(out: Path) -> None:
    out.mkdir(exist_ok=True)
    for old in (path for pattern in BUILT for path in out.glob(pattern)):
        old.unlink()
    wheel, sdist = build_python(out)
    check_python(wheel, sdist)
    tarball = build_npm(out)
    check_npm(tarball)
    for path in (wheel, sdist, tarball):
        print(f"{os.path.relpath(path)}  {path.stat().st_size / 1000:.0f} kB")


def _copy(source: Path, folder: Path) -> Path:
    """Copy a package without what earlier builds left in it, which setuptools would pack as well."""
    return shutil.copytree(source, folder / "source", ignore=shutil.ignore_patterns(*LEFT_BEHIND))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise PackageFault(done.stdout)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
    except PackageFault as fault:
        raise SystemExit(str(fault)) from None
