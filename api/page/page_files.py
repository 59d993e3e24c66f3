"""Read the files of the page once: its own, the client's for JavaScript, and the libraries that were installed.

page/served.json lists all that is served, and nothing else can be asked for. Each of two sets of files has one address
by its content, so browsers and proxies keep them for good: the libraries, and all that is ours.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

from shared.settings import ROOT

PREFIX = "page"
PAGE, CLIENT = ROOT / "page", ROOT / "clients" / "js" / "src"
VENDOR = PAGE / "vendor"
CLIENT_FOLDER, CLIENT_NAME = "client", "musicgen-api"  # where it is served; what it is imported by
LICENCES = "LICENCES.txt"
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
DIGEST_CHARACTERS = 16
IMPORTED = re.compile(r"""(?:^|[;\n])(?:im|ex)port\b[^;'"]*?\bfrom ?["']([^"']+)["']""")  # minified ones, too


@dataclass(frozen=True)
class PageFile:
    """Hold one file as it is sent, plain and by gzip."""

    content: bytes
    zipped: bytes
    media_type: str
    digest: str


@dataclass(frozen=True)
class FileSet:
    """Hold files by their names; `digest` is of all of them."""

    files: Mapping[str, PageFile]
    digest: str


@dataclass(frozen=True, eq=False)
class PageFiles:
    """Hold all that is served. `imports`: import map entries, by addresses relative to the page's own."""

    own: FileSet
    vendor: FileSet
    imports: Mapping[str, str]
    template: str

    def find(self, path: str) -> tuple[PageFile, bool] | None:
        """Return the file at a path below the prefix, and whether the path has its digest; None where there is none.

        A page that was opened before an upgrade asks by the digests of its own time.
        """
        digest, _, name = path.partition("/")
        for files in (self.own, self.vendor):
            if digest == files.digest and name in files.files:
                return files.files[name], True
        found = self.own.files.get(name) or self.vendor.files.get(name)
        return None if found is None else (found, False)

    @cache  # noqa: B019 - one for the whole process
    def needed_by(self, entry: str) -> list[str]:
        """Return the addresses of all modules that one of ours imports at once, itself included.

        A browser that is told of them need not read one to learn of the next.
        """
        found, waiting = dict[str, None](), [f"./{self.own_address}/{entry}"]
        while waiting:
            address = waiting.pop()
            if address not in found and self.find(address.removeprefix(f"./{PREFIX}/")):
                found[address] = None
                waiting += self._imported_by(address)
        return list(found)

    def _imported_by(self, address: str) -> Iterator[str]:
        file = self.find(address.removeprefix(f"./{PREFIX}/"))
        for name in IMPORTED.findall(file[0].content.decode()) if file else ():
            yield self.imports.get(name) or f"./{normpath(join(dirname(address), name))}"

    @property
    def own_address(self) -> str:
        """Return the folder of all that is ours, relative to the page's own address."""
        return f"{PREFIX}/{self.own.digest}"


def read_page_files() -> PageFiles | None:
    """Return the files, which are read once; None while a library is not installed, as after some upgrades."""
    needed = (".complete", *_served()["vendor"])
    return _read() if all((VENDOR / name).is_file() for name in needed) else None


@cache
def _served() -> dict[str, Any]:
    served: dict[str, Any] = json.loads((PAGE / "served.json").read_text())
    return served


@cache
def _read() -> PageFiles:
    served = _served()
    own = {path.relative_to(PAGE).as_posix(): path for pattern in served["own"] for path in PAGE.glob(pattern)}
    client = {f"{CLIENT_FOLDER}/{path.name}": path for pattern in served["client"] for path in CLIENT.glob(pattern)}
    ours = _read_set(own | client)
    vendor = _read_set({path.name: path for path in VENDOR.glob("*.*") if path.suffix in TYPES})
    imports = {name: f"./{PREFIX}/{vendor.digest}/{file}" for name, file in served["imports"].items()}
    imports[CLIENT_NAME] = f"./{PREFIX}/{ours.digest}/{CLIENT_FOLDER}/index.js"
    return PageFiles(ours, vendor, imports, (PAGE / "index.html").read_text())


def _read_set(paths: Mapping[str, Path]) -> FileSet:
    files = {name: _read_file(path) for name, path in sorted(paths.items())}
    return FileSet(files, _digest(f"{name} {file.digest}".encode() for name, file in files.items()))


def _read_file(path: Path) -> PageFile:
    content = path.read_bytes()
    return PageFile(content, gzip.compress(content, mtime=0), TYPES[path.suffix], _digest([content]))


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:DIGEST_CHARACTERS]
