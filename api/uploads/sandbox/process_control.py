"""Ask Linux, by prctl, for what it grants any process: no new privileges, no onlookers, an end with its parent.

Source: https://man7.org/linux/man-pages/man2/prctl.2.html.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38

libc = ctypes.CDLL(None, use_errno=True)


class Unsupported(Exception):
    """Say that this system, its kernel or this container does not offer that, and what it lacks."""


def forbid_new_privileges() -> None:
    """Forbid new privileges to programs executed from here on: set-user-ID bits mean nothing. Raises Unsupported.

    Landlock and seccomp ask for it where the process is not privileged.
    """
    prctl("no_new_privs", PR_SET_NO_NEW_PRIVS, 1)


def stand_alone() -> None:
    """Hide this process from all but root, and end it with the thread that started it. Raises Unsupported.

    Both are undone by a change of user, so that comes before.
    """
    prctl("PR_SET_DUMPABLE", PR_SET_DUMPABLE, 0)
    prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, signal.SIGKILL)


def prctl(what: str, option: int, value: int, further: bytes | None = None) -> None:
    """Call prctl(2), or raise Unsupported, which names `what` is missing."""
    if sys.platform != "linux":
        raise Unsupported(f"{sys.platform} has no {what}")
    if libc.prctl(option, ctypes.c_ulong(value), further or ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise Unsupported(f"this kernel refused {what}: {error_text()}")


def error_text() -> str:
    """Return what errno says of the latest call of `libc`."""
    return os.strerror(ctypes.get_errno())
