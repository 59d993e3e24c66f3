"""Open files and folders by descriptors, one step at a time: no link is followed, so no name leads out of a folder."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

# O_NONBLOCK is not for files: a pipe that lies in the folder must not hang whoever opens it.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def enter(folder: int, part: str, make: bool) -> int:
    """Open a folder in a folder, which `make` makes where it is missing. Raises OSError."""
    if make:
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=folder)
            os.fsync(folder)
    return open_at(folder, part, FOLDER | os.O_NOFOLLOW)


def open_at(folder: int, name: str, flags: int) -> int:
    """Open a name in a folder. Raises OSError, and NotADirectoryError where the name is a link."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link; Linux says so only for files, other systems for folders too
            raise NotADirectoryError(errno.ENOTDIR, "is a link", name) from error
        raise
