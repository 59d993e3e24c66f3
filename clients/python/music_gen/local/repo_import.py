"""Import the engine and the mixing desk from the checkout of Ostinato that this package lies in (decision 0012).

Owns how they are found, what is said when they are not, and their errors as this package's. Loads nothing until it is
asked to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from music_gen.errors import GenerationFailed, InvalidRequest, LocalUnavailable

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = ("worker", "shared", "mixing")
INSTALL = "pip install -e 'clients/python[{extra}]'"
INSTALL_AUDIOCRAFT = "pip install --no-deps -r requirements/audiocraft.txt"


def load(module: str, *, extra: str) -> ModuleType:
    """Import a module of the checkout. Raises LocalUnavailable that says what to do, or what stands in the way."""
    if not all((ROOT / name).is_dir() for name in PACKAGES):
        raise LocalUnavailable(
            "this installation is the client of a server: the engine and the mixing desk are in Ostinato's repository. "
            + _steps(extra, "a checkout of it")
        )
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # last: nothing of yours is hidden by it
    for name in PACKAGES:
        _expect_ours(name)
    try:
        return import_module(module)
    except ImportError as error:
        missing = error.name or str(error)
        raise LocalUnavailable(f"{sys.executable} has no {missing}. {_steps(extra, str(ROOT))}") from error


def _steps(extra: str, folder: str) -> str:
    """Say what to install, from where, and what to run then."""
    lines = [INSTALL.format(extra=extra), *([INSTALL_AUDIOCRAFT] if extra == "local" else [])]
    return f"First, in {folder}: {' && '.join(lines)}. Then run your program, anywhere, with the Python of that pip"


@contextmanager
def translated(extra: str) -> Iterator[None]:
    """Raise Ostinato's own errors as this package's."""
    ours, mixing = load("shared.errors", extra=extra), load("mixing.errors", extra=extra)
    try:
        yield
    except mixing.MixError as error:
        refused = load("shared.music.mix_spec", extra=extra).invalid_mix(error)
        raise InvalidRequest(refused.message, code=refused.code, details=refused.details) from error
    except (ours.RequestError, ours.ConfigurationError) as error:
        raise InvalidRequest(error.message, code=error.code, details=error.details) from error
    except ours.OstinatoError as error:
        raise GenerationFailed(error.message, code=error.code) from error


def _expect_ours(name: str) -> None:
    """Raises LocalUnavailable for another package, or a module, of that name."""
    spec = find_spec(name)
    found = [Path(path).resolve() for path in (spec and spec.submodule_search_locations) or ()]
    if ROOT / name not in found:
        where = found[0] if found else (spec and spec.origin) or "something"
        raise LocalUnavailable(f"{where} stands before Ostinato's own package {name!r}: rename yours")
