"""What somebody would try who took over a decoder. Runs as a program in a decoder's place, not as a test.

`probe(targets)` makes every attempt and returns how each ended: "done", or the error that stopped it. Imports nothing
but the standard library: it is copied to where the decoder's program is expected.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import socket
import threading
from collections.abc import Callable
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
x86 = os.uname().machine == "x86_64"
KEYCTL, USERFAULTFD, IO_URING_SETUP = (250, 323, 425) if x86 else (219, 282, 425)
PTRACE_SEIZE, CLONE_NEWUSER, SESSION_KEYRING = 0x4206, 0x10000000, -3
READ, WRITE, EXECUTE = mmap.PROT_READ, mmap.PROT_WRITE, mmap.PROT_EXEC


def call(number: int, *arguments: Any) -> int:
    """A system call that Python does not offer. Raises OSError."""
    return checked(libc.syscall(number, *arguments))


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def read(path: str) -> None:
    with open(path, "rb") as file:
        assert file.read(1)


def write(path: str) -> None:
    with open(path, "wb") as file:
        file.write(b"was here")


def talk_to(family: int, kind: int, address: Any) -> None:
    with socket.socket(family, kind) as peer:
        peer.connect(address)
        peer.send(b"PING\r\n")


def listen() -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()


def fork() -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)


def start_thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def trace(pid: int) -> None:
    checked(libc.ptrace(PTRACE_SEIZE, pid, None, None))


def watch_memory() -> None:
    call(USERFAULTFD, os.O_CLOEXEC)


def queue_calls() -> None:
    call(IO_URING_SETUP, 1, ctypes.create_string_buffer(120))


def attempts(targets: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """By what they are. Those that change this process come last."""
    return {
        "read the server's environment": lambda: read(f"/proc/{os.getppid()}/environ"),
        "read .env": lambda: read(targets["dotenv"]),
        "read another account's file": lambda: read(targets["stored"]),
        "write a file": lambda: write(targets["new"]),
        "remove a file": lambda: os.unlink(targets["removable"]),
        "change a file's mode": lambda: os.chmod(targets["stored"], 0o644),
        "look whether a file is there": lambda: os.stat(targets["stored"]),
        "talk to Redis": lambda: talk_to(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", targets["redis_port"])),
        "listen on TCP": listen,
        "send over UDP": lambda: talk_to(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 9)),
        "talk to a Unix socket": lambda: talk_to(socket.AF_UNIX, socket.SOCK_STREAM, targets["unix"]),
        "talk to an abstract socket": lambda: talk_to(socket.AF_UNIX, socket.SOCK_STREAM, targets["abstract"]),
        "signal another process": lambda: os.kill(targets["victim"], 0),
        "trace another process": lambda: trace(targets["victim"]),
        "fork": fork,
        "start a thread": start_thread,
        "make a file in memory": lambda: os.close(os.memfd_create("x")),
        "queue calls in io_uring": queue_calls,
        "watch memory by userfaultfd": watch_memory,
        "read the keyring": lambda: call(KEYCTL, 0, SESSION_KEYRING, 0),
        "map memory as code": lambda: mmap.mmap(-1, 4096, prot=READ | WRITE | EXECUTE).close(),
        "raise its limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        "become root": lambda: os.setuid(0),
        "make a user namespace": lambda: checked(libc.unshare(CLONE_NEWUSER)),
    }


def probe(targets: dict[str, Any]) -> dict[str, str]:
    ended = {}
    for name, attempt in attempts(targets).items():
        try:
            attempt()
            ended[name] = "done"
        except OSError as error:
            ended[name] = errno.errorcode.get(error.errno or 0, str(error))
        except (RuntimeError, ValueError) as error:  # as Python words a thread or a limit that it does not get
            ended[name] = str(error)
    return ended
