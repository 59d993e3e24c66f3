"""Keep the embedded broker's password: random, in the broker's folder, in files that their owner alone can read.

The server itself is given the password's SHA-256 in an ACL file, so neither its command line nor its log holds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from pathlib import Path

PASSWORD_FILE, ACL_FILE = "broker.password", "broker.acl"
PASSWORD_BYTES = 32
FORM = re.compile(r"[A-Za-z0-9_-]{43}")  # URL-safe base64 of 32 bytes: needs no quoting in a URL or an inline command
OTHERS = 0o077  # the mode bits of everybody but the owner


def read_or_make_password(folder: Path) -> str:
    """Return the folder's password. The caller holds the folder's lock.

    A folder of an older version has none, and gets one. One that others could have read, or that is not of our form,
    is replaced.
    """
    path = folder / PASSWORD_FILE
    password = _read(path)
    if password is None:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        write_private(path, password)
    return password


def write_acl(folder: Path, password: str) -> None:
    """Write the server's ACL file: one user, who may do everything with that password (given by its SHA-256)."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    write_private(folder / ACL_FILE, f"user default on sanitize-payload #{digest} ~* &* +@all\n")


def _read(path: Path) -> str | None:
    try:
        status, text = path.stat(), path.read_text()
    except (OSError, ValueError):
        return None
    is_private = status.st_uid == os.geteuid() and not status.st_mode & OTHERS
    return text if is_private and FORM.fullmatch(text) else None


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file of mode 600 that holds `text`, in one step for whoever reads it meanwhile."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # readable by its owner alone
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
