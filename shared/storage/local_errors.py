"""Say in our errors what the local disk refuses, and what the operator does about it.

The callers' text names no folder; the operator's (`inner`) does.
"""

from __future__ import annotations

import errno
from pathlib import Path

from shared.errors import ConfigurationError, StorageUnavailable
from shared.storage.interface import AWAY, FULL, MISCONFIGURED

DISK_FULL = {
    errno.ENOSPC: "the disk is full: free some space there, or point LOCAL_STORAGE_PATH to a larger disk",
    errno.EDQUOT: "the quota is used up: free some space there, or point LOCAL_STORAGE_PATH elsewhere",
    errno.EFBIG: "the file is larger than this process or file system allows: raise the limit (ulimit -f)",
}
FORBIDDEN = "this user may not write there: change the folder's owner, or LOCAL_STORAGE_PATH"
REMEDIES = DISK_FULL | {
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.EROFS: "the file system is read-only: mount it writable, or change LOCAL_STORAGE_PATH",
}


def refusal(error: OSError, root: Path) -> StorageUnavailable:
    """Return what to raise for an error of the disk, which may pass."""
    remedy = REMEDIES.get(error.errno or 0, "check that disk, and LOCAL_STORAGE_PATH")
    message = FULL if error.errno in DISK_FULL else AWAY
    return StorageUnavailable(message, inner=f"storage folder {root}: {error.strerror}; {remedy}")


def occupied(path: Path) -> ConfigurationError:
    """Return what to raise for a name that something else than a blob has."""
    where = f"{path} is a folder, or is or goes through a file or a link, and links are not followed"
    remedy = "move what is there away, or point LOCAL_STORAGE_PATH to where the link leads"
    return ConfigurationError(MISCONFIGURED, inner=f"{where}: {remedy}")
