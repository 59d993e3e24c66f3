"""Write docs/licences.md from the installed packages of the pinned sets: `python -m tools.licences`.

A package's licence is what its metadata says, or what we read in its licence file where the metadata says nothing
(licences.toml). Binaries that wheels bring are found by their files, and named there too.
"""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
PAGE_LOCK = ROOT / "page" / "package-lock.json"
NOTES = tomllib.loads(Path(__file__).with_name("licences.toml").read_text())
SPELLED: dict[str, str] = NOTES["spelled"]
READ: dict[str, str] = NOTES["read"]
# set: its requirement files, and who has it
SHIPPED = {
    "api": ("api",),
    "worker": ("worker", "audiocraft"),
    "make": ("embedded",),
}
FOR_TESTS = ("dev", "test-clients")
FORBIDDEN = re.compile(r"(?<!L)GPL|non-?commercial|\bNC\b", re.IGNORECASE)
# what pins are for: on other systems and interpreters some have more
SYSTEMS = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
PYTHONS = ("3.11", "3.12", "3.13")
SHARED_LIBRARY = re.compile(r"\.(so|dylib|dll)(\.[\d.]+)?$")
EXTENSION_MODULE = re.compile(r"\.(cpython-[\w-]+|abi3)\.so$|(?<!\.dylib)\.pyd$")
EXECUTABLES = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")  # Linux, macOS, macOS for two processors


@dataclass(frozen=True)
class Binary:
    """Say what a binary inside some packages is, under which licence, and what passing it on asks."""

    packages: list[str]  # normalised names
    names: str
    what: str
    licence: str
    asks: str
    files: str | None = None  # a regular expression; None for what is linked into extension modules

    def holds(self, package: str, file: PurePosixPath) -> bool:
        """Tell whether this is about that file of that package."""
        return package in self.packages and bool(self.files and re.fullmatch(self.files, file.name))

    def row(self) -> str:
        return f"| {', '.join(self.packages)} | {self.names} | {self.what} | {self.licence} | {self.asks} |\n"


BUNDLED = [Binary(**note) for note in NOTES["bundled"] + NOTES["linked"]]

TABLES = (
    "| in | binary | what it is | licence | who passes it on |\n|---|---|---|---|---|\n",
    "| package | licence | where |\n|---|---|---|\n",
    "| package | licence |\n|---|---|\n",
    "| library | version | licence |\n|---|---|---|\n",
)


def pinned(name: str) -> set[str]:
    """Return the packages that requirements/NAME.txt pins for any of our systems and Pythons, by normalised names."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    pins = [Requirement(pin) for line in lines if (pin := line.partition("#")[0].strip())]
    return {
        normalised(pin.name) for pin in pins if pin.marker is None or any(map(pin.marker.evaluate, _environments()))
    }


def _environments() -> Iterator[dict[str, str]]:
    """Yield the values by which markers are judged, of each system with each Python."""
    for (platform, system, machine), python in itertools.product(SYSTEMS, PYTHONS):
        yield {
            "sys_platform": platform,
            "platform_system": system,
            "platform_machine": machine,
            "python_version": python,
            "python_full_version": f"{python}.0",
            "platform_python_implementation": "CPython",
            "implementation_name": "cpython",
        }


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(name: str) -> Distribution | None:
    """Return the installed distribution, or None: some are for other systems or Pythons."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def licence_of(name: str) -> str:
    """Return a package's licence. Raises LookupError when nobody has said or read it."""
    found = installed(name)
    if name in READ:
        return READ[name]
    said = stated(found) if found else None
    if said is None:
        raise LookupError(f"{name} states no licence: read its licence file, and write what it says into READ")
    return said


def stated(package: Distribution) -> str | None:
    """Return what the metadata says: an SPDX expression, or one of the spellings that we know for one."""
    metadata = package.metadata
    if expression := metadata.get_all("License-Expression"):
        return str(expression[0])
    words = [str(words).strip() for words in metadata.get_all("License") or []]
    words += [line.rpartition("::")[2].strip() for line in metadata.get_all("Classifier") or [] if "License ::" in line]
    return next((SPELLED[word] for word in words if word in SPELLED), None)


def binaries(package: Distribution) -> Iterator[str]:
    """Yield the files of a package that are libraries or programs of their own, and not its extension modules."""
    for file in package.files or ():
        name = PurePosixPath(file).name
        if EXTENSION_MODULE.search(name):
            continue
        path = Path(str(package.locate_file(file)))
        if SHARED_LIBRARY.search(name) or (re.fullmatch(r"(\.\d+)?", path.suffix) and is_program(path)):
            yield str(file)


def is_program(path: Path) -> bool:
    """Tell whether a file begins as a program does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in EXECUTABLES


def note_of(package: str, file: str) -> Binary | None:
    """Return what we have read about a binary of a package."""
    return next((note for note in BUNDLED if note.holds(package, PurePosixPath(file))), None)


def page() -> str:
    """Return docs/licences.md with its tables as they should be; what stands around them is written by hand.

    It is the same on every machine: what is not installed on this one has been read (licences.toml).
    """
    text = PAGE.read_text()
    for header, rows in zip(TABLES, (_binaries(), *_packages(), _libraries()), strict=True):
        before, _, after = text.partition(header)
        _, _, rest = after.partition("\n\n")
        text = before + header + "".join(rows) + ("\n" + rest if rest else "")
    return text


def _binaries() -> list[str]:
    return [note.row() for note in BUNDLED]


def _packages() -> tuple[list[str], list[str]]:
    """Return the rows of what is shipped, and of what the tests alone need."""
    where: dict[str, list[str]] = {}
    for kind, files in SHIPPED.items():
        for name in sorted(set().union(*(pinned(file) for file in files))):
            where.setdefault(name, []).append(kind)
    tests = set().union(*(pinned(file) for file in FOR_TESTS)) - where.keys()
    shipped = [f"| {name} | {licence_of(name)} | {', '.join(kinds)} |\n" for name, kinds in sorted(where.items())]
    return shipped, [f"| {name} | {licence_of(name)} |\n" for name in sorted(tests)]


def _libraries() -> list[str]:
    """Return the rows of what npm brings for the page; what only its tests need is none of it."""
    packages = json.loads(PAGE_LOCK.read_text())["packages"]
    served = {name: one for name, one in packages.items() if name and not one.get("dev")}
    return [
        f"| {name.removeprefix('node_modules/')} | {one['version']} | {one['license']} |\n"
        for name, one in sorted(served.items())
    ]


if __name__ == "__main__":
    PAGE.write_text(page())
