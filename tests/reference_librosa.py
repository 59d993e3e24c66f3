"""Import librosa where a test compares with it, without the half minute of compiling what no test calls.

What it marks with numba's `vectorize` and `guvectorize` (zero crossings, peaks, pitch) would be compiled when it is
imported, unless an earlier run left it on disk. Here these stay plain functions.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


def import_librosa(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return librosa, whose parts are imported when they are first named: in the test that has this `monkeypatch`."""
    for decorator in ("numba.vectorize", "numba.guvectorize"):
        monkeypatch.setattr(decorator, _uncompiled)
    import librosa

    return librosa


def _uncompiled(*_: Any, **__: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda function: function
