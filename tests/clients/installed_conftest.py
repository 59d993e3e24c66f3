"""Be the conftest.py of those client tests that run with the installed wheel and pytest alone, on any Python.

The server is another process's; the environment names it. tests/clients/test_installed_wheel.py lays all of it out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

SLOW = "endless"  # as in tests/clients/conftest.py, whose player knows it


@dataclass(frozen=True)
class Live:
    url: str
    key: str


@pytest.fixture(scope="session")
def live() -> Live:
    return Live(os.environ["MUSIC_GEN_BASE_URL"], os.environ["MUSIC_GEN_API_KEY"])
