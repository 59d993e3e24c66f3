"""shared/audio/ffmpeg.py: which program is taken, and what is no such program."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from shared.audio.ffmpeg import find_ffmpeg
from shared.errors import ConfigurationError
from tests.shared.audio.test_aac import program


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with one folder of the test's, and no wheel."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    return tmp_path


def test_the_named_one_comes_before_the_paths_and_that_before_the_wheels(
    ffmpeg: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_ffmpeg(None) is None
    works = f'exec "{ffmpeg}" "$@"'
    shell = shutil.which("sh", path="/usr/bin:/bin")
    on_path = program(path / "ffmpeg", works)
    Path(on_path).write_text(f"#!{shell}\n{works}\n")
    assert find_ffmpeg(None) == on_path
    named = program(path / "mine", works)
    assert find_ffmpeg(named) == named
    assert find_ffmpeg("mine") == named
    Path(on_path).unlink()
    monkeypatch.delitem(sys.modules, "imageio_ffmpeg")
    wheels = find_ffmpeg(None)
    assert wheels is not None
    assert "imageio_ffmpeg" in wheels


@pytest.mark.parametrize("script", ["exit 0", "exit 1"], ids=["writes nothing", "fails"])
def test_a_program_that_writes_no_aac_is_passed_over_and_refused_where_it_is_named(script: str, path: Path) -> None:
    useless = program(path / "ffmpeg", script)
    assert find_ffmpeg(None) is None
    with pytest.raises(ConfigurationError, match=r"FFMPEG=.*ffmpeg: that cannot write AAC; .* leave FFMPEG out"):
        find_ffmpeg(useless)


def test_a_name_that_is_no_program_is_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FFMPEG=nowhere: that is no program"):
        find_ffmpeg("nowhere")
