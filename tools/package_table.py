"""Write the table of docs/map.md from the packages' own docstrings: `python -m tools.package_table`."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "map.md"
FOLDERS = [
    "api",
    "shared",
    "worker",
    "housekeeping",
    "mixing",
    "clients/python/music_gen",
    "stack",
    "bench",
    "chaos",
    "training",
    "tools",
]
HEADER = "| package | what it does |\n|---|---|\n"


def page() -> str:
    """Return docs/map.md with the table as it should be; what stands before the table is written by hand."""
    before, _, _ = PAGE.read_text().partition(HEADER)
    packages = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("__init__.py"))]
    return before + HEADER + "".join(f"| `{_name(path)}` | {first_line(path)} |\n" for path in packages)


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring. Raises ValueError where there is none."""
    text = ast.get_docstring(ast.parse(path.read_text()))
    if not text:
        raise ValueError(f"{path.relative_to(ROOT)} has no docstring")
    return text.splitlines()[0]


def _name(path: Path) -> str:
    return path.parent.relative_to(ROOT).as_posix().removeprefix("clients/python/")


if __name__ == "__main__":
    PAGE.write_text(page())
