"""Share this machine's decoders among the accounts: how many uploads are decoded at once, over all API processes.

A slot is a file that is locked with flock(2) while a decoder runs. The kernel lets go of it when the process that holds
it ends, however it ends, so a slot cannot leak. An account takes one of its own files first, and there is one fewer of
these than decoders: whatever it sends, another account finds a decoder free.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

from shared.errors import ConfigurationError, RateLimited, Unavailable
from shared.jobs.job import LOCAL
from shared.retry import Backoff, retry_until
from shared.settings import Settings

FEWEST = 2  # decoders, also on a machine of one core: with one, any upload would hold up everybody
POLL = Backoff(0.05)
RETRY_AFTER_S = 5


def open_slots(settings: Settings) -> DecoderSlots:
    """Return this process's one view of the machine's decoders. Raises ConfigurationError for a folder of others."""
    return _open(settings.decoder_slots_path or _usual_folder(), settings.max_decoders or max(FEWEST, _cores()))


class DecoderSlots:
    """Share `total` decoders, as files in a folder that the API processes of the machine have in common."""

    def __init__(self, folder: Path, total: int) -> None:
        """Raises ConfigurationError when others could write to the folder."""
        self.folder, self.total = folder, total
        self._doors: dict[str, threading.Lock] = {}
        self._make_folder()

    def share_of(self, account: str) -> int:
        """Return how many decoders one account may hold: all but one, or all while no key exists: it is alone then."""
        return self.total if account == LOCAL else self.total - 1

    @contextmanager
    def acquire(self, account: str, timeout_s: float) -> Iterator[None]:
        """Hold a decoder for this account. Waits for one at most that long.

        Raises RateLimited while the account itself holds all that it may, Unavailable while all are taken.
        """
        with ExitStack() as locks:
            self._wait(account, locks, time.monotonic() + timeout_s)
            yield

    def _wait(self, account: str, locks: ExitStack, give_up_at: float) -> None:
        """Wait for a slot.

        Of an account's requests in this process only the first one polls; the others wait behind it.
        """
        share = self.share_of(account)
        spent = Unavailable("too many recordings are being decoded or converted; try again in a few seconds")
        limit = f"{share} decoder{'s' * (share > 1)} for the uploads and conversions of one account"
        own_spent = spent if share == self.total else RateLimited(limit, RETRY_AFTER_S)
        door = self._doors.setdefault(account, threading.Lock())
        if not door.acquire(timeout=max(0.0, give_up_at - time.monotonic())):
            raise own_spent
        try:
            if not self._take(f"account-{_digest(account)}", share, locks, give_up_at):
                raise own_spent
            if not self._take("decoder", self.total, locks, give_up_at):
                raise spent
        finally:
            door.release()

    def _take(self, name: str, count: int, locks: ExitStack, give_up_at: float) -> bool:
        """Lock one of the files `name-0` to `name-<count - 1>` until `locks` closes; False once the time is up."""

        def lock_any() -> bool:
            for number in range(count):
                if (lock := self._lock(f"{name}-{number}")) is not None:
                    locks.callback(os.close, lock)
                    return True
            return False

        return retry_until(give_up_at, lock_any, is_done=bool, backoff=POLL)

    def _lock(self, name: str) -> int | None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            file = os.open(self.folder / name, flags, 0o600)
        except FileNotFoundError:  # somebody tidied the folder of temporary files
            self._make_folder()
            file = os.open(self.folder / name, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def _make_folder(self) -> None:
        """Raises ConfigurationError when others could write to it, and so take all slots."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.folder.lstat()
        except OSError as error:
            raise ConfigurationError(f"DECODER_SLOTS_PATH: {error}; name a folder that can be written to") from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise ConfigurationError(
                f"DECODER_SLOTS_PATH: {self.folder} must be a folder of this server's user that nobody else can write "
                "to; name another one, or remove it"
            )


@lru_cache(maxsize=64)
def _open(folder: Path, total: int) -> DecoderSlots:
    return DecoderSlots(folder, total)


def _usual_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"ostinato-decoders-{os.geteuid()}"


def _cores() -> int:
    """Count the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _digest(account: str) -> str:
    return hashlib.sha256(account.encode()).hexdigest()[:16]
