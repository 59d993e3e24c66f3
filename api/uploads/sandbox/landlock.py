"""Take file access, TCP, and signals to others away from this process with Landlock, a Linux security module.

It needs no privilege, and cannot be undone. What is open already stays usable; a rule set here allows nothing at all,
so there are no paths to keep up to date. Source: https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from typing import NamedTuple

from api.uploads.sandbox.process_control import Unsupported, error_text, forbid_new_privileges, libc

CREATE_RULESET, RESTRICT_SELF = 444, 446  # the same numbers on every architecture that has Landlock
ASK_VERSION = 1
# Access rights to files by the ABI that brought them: execute to make_sym, refer, truncate, ioctl_dev
FILE_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
BIND_AND_CONNECT_TCP = 0b11
SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
TCP_ABI, SCOPE_ABI = 4, 6


class Handled(NamedTuple):
    """Lay out `struct landlock_ruleset_attr`: what a rule set handles, and so denies where no rule allows it."""

    files: int = 0
    tcp: int = 0
    scope: int = 0


def restrict_files() -> None:
    """Forbid to open, make, change, rename, remove or execute any file or folder. Raises Unsupported."""
    abi = _abi_of_at_least(1, "files", "5.13")
    _restrict(Handled(files=sum(rights for since, rights in FILE_RIGHTS.items() if since <= abi)))


def restrict_tcp() -> None:
    """Forbid to bind or connect a TCP socket. Raises Unsupported before Linux 6.7."""
    _abi_of_at_least(TCP_ABI, "TCP", "6.7")
    _restrict(Handled(tcp=BIND_AND_CONNECT_TCP))


def restrict_scope() -> None:
    """Forbid signals to processes outside, and abstract Unix sockets. Raises Unsupported before Linux 6.12."""
    _abi_of_at_least(SCOPE_ABI, "signals and abstract sockets", "6.12")
    _restrict(Handled(scope=SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS))


def _abi_of_at_least(wanted: int, what: str, since: str) -> int:
    if sys.platform != "linux":
        raise Unsupported(f"{sys.platform} has no Landlock")
    abi = int(libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION))
    if abi < 0:
        code = ctypes.get_errno()
        why = {errno.ENOSYS: "not in this kernel", errno.EOPNOTSUPP: "switched off at boot"}
        raise Unsupported(f"Landlock is {why.get(code, 'not allowed here: ' + error_text())}")
    if abi < wanted:
        raise Unsupported(f"Landlock's ABI is {abi}; it restricts {what} from ABI {wanted} (Linux {since}) on")
    return abi


def _restrict(handled: Handled) -> None:
    forbid_new_privileges()
    attributes = struct.pack("=QQQ", *handled)  # a kernel that knows fewer fields takes the rest if it is zero
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        raise Unsupported(f"Landlock made no rule set: {error_text()}")
    try:
        if libc.syscall(RESTRICT_SELF, ruleset, 0):
            raise Unsupported(f"Landlock did not restrict this process: {error_text()}")
    finally:
        os.close(ruleset)
