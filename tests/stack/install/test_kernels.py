"""The worker's kernels are compiled with the compiler that is there, or a line says why not."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from stack.install import kernels
from worker.engine.native import build, loader


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is compiled in a folder of this test's own."""
    monkeypatch.setattr(build, "BUILT", tmp_path / "built")
    return tmp_path / "built"


@pytest.fixture
def no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find nothing."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "empty").as_uri())


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
    assert [path.name for path in built.iterdir()] == [build.compiled_path().name]
    kernels.main(environment={"CC": "/nowhere/cc"})
    assert capsys.readouterr().out == ""


def test_where_no_compiler_can_be_had_a_line_says_what_multiplies_and_nothing_is_half_done(
    built: Path, no_index: None, capsys: pytest.CaptureFixture[str]
) -> None:
    kernels.main(environment={"PATH": ""})
    last = capsys.readouterr().out.splitlines()[-1]
    assert "torch and numba" in last
    assert "ziglang: ERROR: No matching distribution found for ziglang==" in last
    assert list(built.iterdir()) == []


def test_a_compiler_that_fails_is_quoted_and_the_wheels_is_tried(
    built: Path, failing: Path, no_index: None, capsys: pytest.CaptureFixture[str]
) -> None:
    kernels.main(environment={"CC": str(failing)})
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"{failing}: fatal error: stdint.h: No such file or directory; ziglang: " in last
    assert list(built.iterdir()) == []


@pytest.mark.long  # 100 MB, and half a minute
def test_the_compiler_that_comes_as_a_wheel_compiles_what_this_cpu_runs_and_is_removed(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    kernels.main(environment={"PATH": ""})
    assert "==> compiled the worker's kernels with ziglang" in capsys.readouterr().out
    assert list((tmp_path / "temporary").iterdir()) == []
    ours = [each.name for each in loader.load(build.compiled_path())]
    assert ours == [each.name for each in loader.all_kernels()]
