"""Write the product's version (shared/version.py) into each package that says one: `python -m tools.versions`."""

from __future__ import annotations

import re
from pathlib import Path

from shared.settings import ROOT
from shared.version import VERSION

VERSION_LINES = {
    ROOT / "pyproject.toml": r'(?m)^version = "(.*)"$',
    ROOT / "clients" / "python" / "music_gen" / "version.py": r'(?m)^__version__ = "(.*)"$',
    ROOT / "clients" / "js" / "package.json": r'(?m)^  "version": "(.*)",$',
}


def version_in(path: Path) -> str:
    """Return the version that a file says. Raises LookupError unless it says exactly one."""
    return _version_line(path)[1]


def write(path: Path, version: str = VERSION) -> None:
    """Put the version in place of the file's own; the rest of the file stays. Raises LookupError as `version_in`."""
    start, end = _version_line(path).span(1)
    text = path.read_text()
    path.write_text(text[:start] + version + text[end:])


def _version_line(path: Path) -> re.Match[str]:
    found = list(re.finditer(VERSION_LINES[path], path.read_text()))
    if len(found) != 1:
        raise LookupError(f"{path.relative_to(ROOT)} says {len(found)} versions by {VERSION_LINES[path]!r}")
    return found[0]


if __name__ == "__main__":
    for path in VERSION_LINES:
        write(path)
        print(path.relative_to(ROOT), VERSION)
