"""Lock a folder for one live program at a time."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from stack.errors import FolderInUse, StackError

LOCK_FILE = "owner.lock"


class FolderLock:
    """Lock a folder until release() or the end of this process, however that comes: the kernel unlocks it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: IO[bytes] | None = None

    def take(self) -> None:
        """Lock it. Raises FolderInUse while another program has it, StackError where it cannot be made or written."""
        if self._file is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / LOCK_FILE).open("ab")
        except OSError as error:
            raise StackError(f"{error}: no state can be kept there. Set STATE_FOLDER to another folder") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise FolderInUse(self.folder) from None
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
