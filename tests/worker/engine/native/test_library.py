"""The library is here, so that no test goes by torch alone without anybody's notice."""

from __future__ import annotations

from worker.engine.native.library import all_kernels


def test_the_kernels_were_compiled_at_installation() -> None:
    assert all_kernels(), "run `make install-dev`, or python -m stack.install.kernels, which says why they are not"
