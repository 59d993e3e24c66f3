"""Put stand-ins in the place of libraries while audiocraft, demucs or OmegaConf is imported (decision 0021).

Two kinds. A `StandIn` takes the place of a library that is imported and not used: it knows the names of names.py and
raises `StoodIn` for every other. A `Deferred` name takes the place of something heavy that is used later, or by some
checkpoints only: it imports the real one when it is first called or asked for an attribute.

They are there whether or not the real library is installed, so that an import does the same everywhere, and they leave
`sys.modules` when it is done: whoever else imports the real library gets it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from worker.engine.imports.names import DEFERRED, KEPT, NAMES, StoodIn

__all__ = ["Deferred", "StandIn", "StoodIn", "stand_ins"]


class StandIn(ModuleType):
    """Be a module that knows the listed names, and raises StoodIn for every other."""

    def __init__(self, name: str, names: dict[str, object]) -> None:
        super().__init__(name, f"Stand in for {name}, which is only imported.")
        self.__all__ = sorted(names)
        self.__path__: list[str] = []  # a package: its listed submodules are found in sys.modules
        vars(self).update(names)

    def __getattr__(self, attribute: str) -> Any:
        """Raises StoodIn. Python asks for names with two underscores itself, and is told that they are not there."""
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise StoodIn(f"{self.__name__}.{attribute}")


class Deferred:
    """Stand for a name of a module, which is imported when this is first used."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def _real(self) -> Any:
        return getattr(import_module(self._module), self._name)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._real(), attribute)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)


def _made() -> dict[str, StandIn]:
    """Make all stand-ins, by the names of their modules."""
    modules = {name: StandIn(name, dict(names)) for name, names in NAMES.items()}
    for name, deferred in DEFERRED.items():
        modules[name] = StandIn(name, {attribute: Deferred(name, attribute) for attribute in deferred})
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if parent in modules:
            setattr(modules[parent], child, module)
    return modules


@contextmanager
def stand_ins() -> Iterator[None]:
    """Import what stands inside with the stand-ins in `sys.modules`, and put back what was there before.

    One thread at a time: another that imports a real library of these names meanwhile would find its stand-in.
    """
    modules = _made()
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules.keys() - KEPT:
            del sys.modules[name]
        sys.modules.update(before)
