"""Confine the process that decodes an upload with what the kernel offers: one layer after another, each on its own.

A layer that this system lacks is left out, and decoding goes on under the others. Executed as a program, this tries
each layer alone, in a process of its own, and prints what is missing as a JSON object: `{layer: reason}`. Imports
nothing of Ostinato but its layers.

The limits of memory, time and output come before (`api.uploads.decoder_process`).
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

if not __package__:  # an isolated interpreter, which searches no folder of ours
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from api.uploads.sandbox import landlock, seccomp_filter
from api.uploads.sandbox.process_control import Unsupported, forbid_new_privileges, stand_alone

# Nobody has these (https://systemd.io/UIDS-GIDS: 1879048192 to 2147483647 are unused). One for each process, so that
# two decoders are strangers to each other too.
FIRST_UID = 1_879_048_192
NOBODY = 65_534  # where a user namespace maps no others


class Layer(NamedTuple):
    """Define a layer.

    `enter` raises Unsupported where it is not there; `attempt` does, unprivileged, what it must stop.
    """

    enter: Callable[[], None]
    attempt: Callable[[], object]


def become_nobody() -> None:
    """Leave root for a user and a group that nobody else has, with no other group. Raises Unsupported.

    What is open stays usable: the upload and the answer were opened by the server.
    """
    if os.geteuid() != 0:
        raise Unsupported("this server is not root, so its decoders have its own user")
    try:
        os.setgroups([])
        for uid in (FIRST_UID + os.getpid(), NOBODY):
            try:
                os.setgid(uid)  # as root: the real, the effective and the saved one
                os.setuid(uid)
                return
            except OSError as error:
                refused = error
        raise refused
    except OSError as error:
        raise Unsupported(f"root may not become another user here: {error.strerror}") from None


def give_up_privileges() -> None:
    """Give up privileges for good, hide this process from others, and end it with the server. Raises Unsupported."""
    forbid_new_privileges()
    stand_alone()


def forbid_descriptors() -> None:
    """Forbid new files, sockets, pipes and shared memory from here on, on any Unix; only root could undo it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _open_root() -> None:
    os.close(os.open("/", os.O_RDONLY))


def _connect() -> None:
    """Connect to a port where nobody listens: an attempt that is not stopped ends with another error."""
    with socket.socket() as probe:
        try:
            probe.connect(("127.0.0.1", 1))
        except ConnectionRefusedError:
            return


def _signal_parent() -> None:
    os.kill(os.getppid(), 0)


def _gain_privileges() -> None:
    """Read the flag back: executing a set-user-ID program is more than a server does at its start."""
    with open("/proc/self/status") as status:
        if "NoNewPrivs:\t1" in status.read():
            raise PermissionError


LAYERS = {  # in this order: a layer may take away what an earlier one needs
    "uid": Layer(become_nobody, _signal_parent),
    "no_new_privs": Layer(give_up_privileges, _gain_privileges),
    "landlock_files": Layer(landlock.restrict_files, _open_root),
    "landlock_tcp": Layer(landlock.restrict_tcp, _connect),
    "landlock_scope": Layer(landlock.restrict_scope, _signal_parent),
    "descriptors": Layer(forbid_descriptors, _open_root),
    "seccomp": Layer(seccomp_filter.deny_other_calls, os.pipe),
}


def enter(layers: Iterable[str] = tuple(LAYERS)) -> dict[str, str]:
    """Enter these layers, or all, for good; returns which of them are missing, and why. No thread may run yet.

    After that nothing can be opened, imported or duplicated (Python's `mmap` does that), and no memory becomes code
    (cffi's callbacks need that): what decoding needs of it comes before.
    """
    missing = {}
    for name in layers:
        try:
            LAYERS[name].enter()
        except Unsupported as reason:
            missing[name] = str(reason)
    return missing


def missing_layers() -> dict[str, str]:
    """Return which layers this system lacks, and why: also one that can be entered and then stops nothing."""
    return {name: reason for name in LAYERS if (reason := _tried_apart(name))}


def _tried_apart(name: str) -> str:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(writing, json.dumps(_tried(name)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as output:
        said = output.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else "the process that tried it ended without an answer"


def _tried(name: str) -> str:
    if missing := enter([name]):
        return missing[name]
    try:
        LAYERS[name].attempt()
    except OSError:
        return ""
    return "it could be entered, but stopped nothing"


if __name__ == "__main__":
    signal.alarm(10)
    print(json.dumps(missing_layers()))
