"""Run docs/clients/python.md from top to bottom: its examples share their names, as in one notebook."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import soundfile

from shared.settings import ROOT
from tests.clients.conftest import Live

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow]
PAGE = ROOT / "docs" / "clients" / "python.md"


def examples(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_every_example_of_the_page_runs_as_it_stands(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "docs" / "examples" / "hum.flac", tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    blocks = examples("python")
    assert len(blocks) >= 8
    try:
        for block in blocks:
            exec(block.replace("YOUR_KEY", live.key).replace("http://localhost:8000", live.url), names)
    finally:
        names["client"].close()  # type: ignore[attr-defined]
    saved = {name: soundfile.info(tmp_path / name).format for name in os.listdir(tmp_path)}
    assert saved.pop("hum.flac") == "FLAC"
    waves = dict.fromkeys(("jazz.wav", "flute.wav", "bass.wav", "live.wav", "finished.wav"), "WAV")
    others = {"flute.mp3": "MP3", "trio.mp3": "MP3", "piano.flac": "FLAC", "piano.opus": "OGG"}
    assert saved == waves | others
    told = capsys.readouterr().out
    assert "'duration': " in told
    assert "completed ['completed', 'completed']" in told
    assert names["receive"](b"{}", {}) == 400
    assert names["finished"].numpy().shape[0] == 2  # type: ignore[attr-defined]
