"""Deny this process every system call that decoding does not need, with a seccomp filter: for good, and unprivileged.

The filter is a program for the kernel's classic BPF machine, written here so that libseccomp need not be installed
(docs/decisions/0017-decoders-confine-themselves.md). What is not listed fails with EPERM: a library that tries
something optional goes on without it, while a decoder that was killed for it would refuse a good file after the next
update of libc. Calls by another architecture's numbers have no such excuse, and kill.

Sources: https://docs.kernel.org/userspace-api/seccomp_filter.html, the kernel's asm/unistd_64.h (x86_64) and
asm-generic/unistd.h (aarch64).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import platform
import struct
import sys
from collections.abc import Iterator

from api.uploads.sandbox.process_control import Unsupported, forbid_new_privileges, prctl

PR_SET_SECCOMP, MODE_FILTER = 22, 2
ALLOW, DENY, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
# Instructions of classic BPF: load a word of `struct seccomp_data`, compare with a constant, return
LOAD, JUMP_IF_EQUAL, JUMP_IF_NOT_LESS, JUMP_IF_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # both known architectures are little-endian
X32_NUMBERS = 0x40000000  # x86_64's second table of calls begins there
AT_EMPTY_PATH = 0x1000

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# The number on x86_64 and on aarch64; None where it is not there
CALLS: dict[str, tuple[int | None, int | None]] = {
    # what is open: the upload, the answer, standard error
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    # memory
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    # the threads' locks of libraries, the clock where it is a call, signals' handlers, randomness for hash tables
    "futex": (202, 98),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "getrandom": (318, 278),
    # the end
    "exit": (60, 93),
    "exit_group": (231, 94),
}
# Allowed if none of these bits is set in that argument (counted from 0): memory can be had, but never as code
CALLS_WITHOUT_BITS: dict[str, tuple[int, int, int, int]] = {
    "mmap": (9, 222, 2, mmap.PROT_EXEC),
    "mprotect": (10, 226, 2, mmap.PROT_EXEC),
}
# Allowed if these bits are set: fstat as newer versions of glibc make it, of a descriptor without a name
CALLS_WITH_BITS: dict[str, tuple[int, int, int, int]] = {"newfstatat": (262, 79, 3, AT_EMPTY_PATH)}


def deny_other_calls() -> None:
    """Install the filter. Raises Unsupported where the architecture is not known or the kernel takes none."""
    if sys.platform != "linux":
        raise Unsupported(f"{sys.platform} has no seccomp")
    program = filter_for(platform.machine())
    forbid_new_privileges()
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HP", len(program) // 8, ctypes.addressof(code))  # struct sock_fprog, with its padding
    prctl("seccomp", PR_SET_SECCOMP, MODE_FILTER, header)


def filter_for(machine: str) -> bytes:
    """Return the filter's program, 8 bytes an instruction (`struct sock_filter`). Raises Unsupported."""
    bits = 8 * struct.calcsize("P")
    if machine not in ARCHITECTURES or bits != 64:
        raise Unsupported(
            f"the filter knows {' and '.join(ARCHITECTURES)}, and this is {machine}, {8 * struct.calcsize('P')} bits"
        )
    column = list(ARCHITECTURES).index(machine)
    return b"".join(struct.pack("=HBBI", *step) for step in _steps(ARCHITECTURES[machine], column))


Step = tuple[int, int, int, int]  # instruction, steps to skip if true, steps to skip if false, constant


def _steps(architecture: int, column: int) -> Iterator[Step]:
    yield LOAD, 0, 0, ARCHITECTURE_AT
    yield JUMP_IF_EQUAL, 1, 0, architecture
    yield RETURN, 0, 0, KILL
    yield LOAD, 0, 0, NUMBER_AT
    yield JUMP_IF_NOT_LESS, 0, 1, X32_NUMBERS
    yield RETURN, 0, 0, KILL
    for numbers in CALLS.values():
        if (number := numbers[column]) is not None:
            yield JUMP_IF_EQUAL, 0, 1, number
            yield RETURN, 0, 0, ALLOW
    for *of_calls, argument, bits in CALLS_WITHOUT_BITS.values():
        yield from _if_bits(of_calls[column], argument, bits, DENY, ALLOW)
    for *of_calls, argument, bits in CALLS_WITH_BITS.values():
        yield from _if_bits(of_calls[column], argument, bits, ALLOW, DENY)
    yield RETURN, 0, 0, DENY


def _if_bits(number: int, argument: int, bits: int, then: int, otherwise: int) -> Iterator[Step]:
    """Judge a call by bits of an argument, and return, so that the word loaded for it is in nobody's way."""
    yield JUMP_IF_EQUAL, 0, 4, number
    yield LOAD, 0, 0, ARGUMENTS_AT + 8 * argument
    yield JUMP_IF_BITS, 0, 1, bits
    yield RETURN, 0, 0, then
    yield RETURN, 0, 0, otherwise
