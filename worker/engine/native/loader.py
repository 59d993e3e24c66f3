"""Load the compiled kernels, and choose among those that this CPU runs (`kernels`, `Kernels`).

The library is compiled at installation (build.py) and found by a hash of its source, so that another version's is never
loaded. Where none was compiled, `kernels()` is None, and the engine goes on with torch and numba.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import threading
from ctypes import POINTER, c_int, c_void_p
from pathlib import Path

import torch

from worker.engine.native.build import compiled_path
from worker.engine.native.structures import Convolution, KernelTable, Product, Recurrence, Step

log = logging.getLogger(__name__)


class Kernels:
    """Call the kernels of one kind of CPU, on a team of threads that all of a process's engines share.

    The team's threads sleep while nothing is computed. Calls release the GIL and come one after the other.
    """

    def __init__(self, library: ctypes.CDLL, table: KernelTable) -> None:
        self.name: str = table.name.decode().replace("_", "-")
        self.group: int = table.group
        self.byte_inputs = bool(table.byte_inputs)  # int8 weights times activations of 8 bits
        self._library, self.table = library, table
        self.threads = torch.get_num_threads()  # as many as torch would use
        self._lock = threading.Lock()
        self._team: int | None = None
        self._pid = 0

    def team(self) -> int:
        """Start this process's threads, when first asked. Call with the lock held."""
        if self._pid != os.getpid():  # a forked child has none of its parent's threads
            self._team = self._library.team_start(self.threads)
            if not self._team:
                raise MemoryError("no more threads can be started for the kernels; raise the limit of processes")
            self._pid = os.getpid()
        assert self._team is not None
        return self._team

    def step(self, step: Step) -> None:
        """Run a decode step."""
        with self._lock:
            self.table.step(self.team(), ctypes.byref(step))

    def product(self, product: Product) -> None:
        """Multiply rows with a matrix."""
        with self._lock:
            self.table.product(self.team(), ctypes.byref(product))

    def recur(self, recurrence: Recurrence) -> None:
        """Run frames of an LSTM's layer."""
        with self._lock:
            self.table.recur(self.team(), ctypes.byref(recurrence))

    def convolve(self, layers: ctypes.Array[Convolution]) -> None:
        """Run layers of the codec's decoder, one after the other."""
        with self._lock:
            self.table.convolve(self.team(), layers, len(layers))


@functools.cache
def all_kernels() -> tuple[Kernels, ...]:
    """Load the library, and return what this CPU runs, the best first; nothing where none was compiled."""
    path = compiled_path()
    if not path.exists():
        log.info("no kernels were compiled for this machine: torch and numba multiply (docs/native.md)")
        return ()
    return load(path)


def load(path: Path) -> tuple[Kernels, ...]:
    """Load a library; return what this CPU runs of it, the best first."""
    library = ctypes.CDLL(str(path))
    library.kernels_here.restype = POINTER(POINTER(KernelTable))
    library.team_start.restype = c_void_p
    library.team_start.argtypes = [c_int]
    tables, found = library.kernels_here(), list[Kernels]()
    while tables[len(found)]:
        found.append(Kernels(library, tables[len(found)].contents))
    return tuple(found)


def kernels(name: str | None = None) -> Kernels | None:
    """Return the kernels of that name, or the best of this CPU; None for `torch`, and where there are none.

    Raises LookupError for a name that this CPU does not run.
    """
    if name == "torch":
        return None
    found = all_kernels()
    if name is None:
        return found[0] if found else None
    for candidate in found:
        if candidate.name == name:
            return candidate
    raise LookupError(f"this CPU runs the kernels {', '.join(k.name for k in found) or 'of torch alone'}, not {name}")
