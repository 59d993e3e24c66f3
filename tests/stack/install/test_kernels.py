"""The worker's kernels are compiled with the compiler that is there, or a line says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack.install import kernels
from worker.engine.native import build


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is compiled in a folder of this test's own."""
    monkeypatch.setattr(build, "BUILT", tmp_path / "built")
    return tmp_path / "built"


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """Put a compiler first that has something against every source."""
    program = tmp_path / "bin" / "cc"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'fatal error: stdint.h: No such file or directory' >&2\nexit 1\n")
    program.chmod(0o755)
    return program


def test_a_compiler_that_is_here_compiles_once_and_a_second_run_says_nothing(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernels.main()
    assert "==> compiled the worker's kernels with " in capsys.readouterr().out
    assert build.library_path().parent == built
    assert [path.name for path in built.iterdir()] == [build.library_path().name]
    kernels.main({"CC": "/nowhere/cc"})
    assert capsys.readouterr().out == ""


def test_where_no_compiler_is_here_a_line_says_what_multiplies_and_nothing_is_half_done(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernels.main({"PATH": ""})
    assert "torch and numba" in capsys.readouterr().out
    assert not built.exists()


def test_a_compiler_that_fails_is_quoted_and_leaves_no_file(
    built: Path, failing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernels.main({"CC": str(failing)})
    assert "fatal error: stdint.h" in capsys.readouterr().out
    assert list(built.iterdir()) == []
