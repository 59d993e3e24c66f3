"""Write and read the mark of our own folder in a store: a small text file that says whose the folder is.

Without it a folder is somebody else's. Each installation (one Redis) that cleans there signs it with a line of its own;
where several have, none may take a blob for forgotten just because its own Redis knows nothing of it.
"""

from __future__ import annotations

MARKER = ".ostinato"  # no key has a part that starts with a dot
FIRST_WORDS = b"This folder is Ostinato's own"
MARKER_TEXT = FIRST_WORDS + (
    b": what lies in results/ and uploads/ here is deleted when no task needs it.\n"
    b"Do not remove this file: without it, Ostinato takes the folder for somebody else's.\n"
)
INSTALLATION = "installation: "  # begins the line of each that has signed


def is_marker(content: bytes) -> bool:
    """Return whether a file of that name is ours: what we wrote, or a beginning of it, or an operator's empty one.

    Anything else is a stranger's, or has been damaged, and makes no folder ours.
    """
    return content.startswith(FIRST_WORDS) or MARKER_TEXT.startswith(content.strip())


def signatures(marker: bytes) -> tuple[str, ...]:
    """Return the names of the installations that have signed, sorted; none for a mark that is new."""
    lines = marker.decode(errors="replace").splitlines()
    return tuple(sorted({line.removeprefix(INSTALLATION).strip() for line in lines if line.startswith(INSTALLATION)}))


def signed(*installations: str) -> bytes:
    """Return the mark with the lines of those installations and of no other."""
    return MARKER_TEXT + "".join(f"{INSTALLATION}{name}\n" for name in installations).encode()
