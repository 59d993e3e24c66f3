"""List what lies in a local store, for tests."""

from __future__ import annotations

from pathlib import Path

from shared.storage.marker import MARKER


def stored_files(root: Path) -> list[str]:
    """Return every file below, as paths from there; the mark of a store that has been used is none of them."""
    found = (path for path in root.rglob("*") if path.is_file() and path.name != MARKER)
    return sorted(path.relative_to(root).as_posix() for path in found)
