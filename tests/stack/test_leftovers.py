"""What `make clean` and the demo remove is what they made: a file of one's own beside it stays."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from shared.settings import ROOT
from stack import demo

pytestmark = pytest.mark.slow


def test_make_clean_leaves_what_it_did_not_make(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    made = ["demo-output/text.wav", "demo-output/melody.png", "demo-output/.text.7.part", "var/log/api.old.log"]
    made += ["var/demo/run-12/owner.lock", ".ruff_cache/x", "api/__pycache__/x.pyc"]
    kept = ["demo-output/my remix.wav", "var/log/notes.txt", "var/demo/mine/song.wav", "var/audio/ostinato/.ostinato"]
    for name in (*made, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"Makefile", *kept}


def test_the_demo_removes_only_the_folders_of_earlier_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "DEMO_FOLDER", tmp_path)
    for name in ("run-1/owner.lock", "run-1/audio/x.wav", "run-2/mine.txt", "run-away/owner.lock", "mine/owner.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder, lock = demo.own_folder()
    lock.release()
    assert {path.name for path in tmp_path.iterdir()} == {"run-2", "run-away", "mine", folder.name}
    assert (tmp_path / "run-2" / "mine.txt").exists()
