"""Make takes and batches from the terminal, against the live API."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import soundfile
from music_gen import APIClient

from tests.audio_fixtures import file_of, tone
from tests.clients.cli.conftest import COMMAND, Typed
from tests.clients.cli.terminal import read_on
from tests.clients.conftest import SLOW, Live

pytestmark = pytest.mark.xdist_group("clients")


def test_takes_stand_beside_each_other_under_consecutive_seeds(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "band.wav").write_bytes(b"mine")
    done = typed("variations", "brass band", "-n", "2", "--seed", "5", "-d", "1", "-o", "band.wav", "-q")
    assert done.returncode == 0, done.stderr
    made = sorted(done.stdout.splitlines(), key=lambda line: line.rpartition(" ")[2])
    assert [line.rpartition(" by ")[2] for line in made] == ["tiny, seed 5", "tiny, seed 6"]
    assert sorted(os.listdir(tmp_path)) == ["band-2.wav", "band-3.wav", "band.wav"]
    assert (tmp_path / "band.wav").read_bytes() == b"mine"
    assert typed("variations", "brass band", "-o", "-").returncode == 2


def test_a_file_of_requests_becomes_a_folder_of_clips_and_what_failed_is_told(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "hum.wav").write_bytes(file_of(tone(330, 1.5), 32_000))
    lines = ['{"prompt": "calm", "melody": "hum.wav", "output": "intro.mp3"}', "please fail", "fast drums"]
    done = typed("batch", "-", "-o", "album", "-d", "1", "--seed", "4", "--json", text="\n".join(lines))
    assert done.returncode == 1
    assert "music-gen: 2-please-fail.wav: " in done.stderr
    assert done.stderr.splitlines()[-1] == "music-gen: 1 of 3 clips were not made"
    told = {each["file"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert (told[None]["request"], told["album/3-fast-drums.wav"]["request"]) == (2, 3)
    assert set(told) == {"album/intro.mp3", "album/3-fast-drums.wav", None}
    assert told["album/intro.mp3"]["seed"] == 4
    assert told["album/intro.mp3"]["task"]["melody_seconds"] == pytest.approx(1.5)
    assert "Out of memory" in told[None]["error"]
    assert soundfile.info(tmp_path / "album" / "intro.mp3").format == "MP3"


def test_a_bad_field_is_named_by_its_line_and_nothing_is_queued(typed: Typed, tmp_path: Path, live: Live) -> None:
    (tmp_path / "r.jsonl").write_text('{"prompt": "never queued"}\n\n{"prompt": "x", "top_p": 7}\n')
    done = typed("batch", "r.jsonl", "-q")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "music-gen: r.jsonl:3: top_p: " in done.stderr
    with APIClient(live.key, live.url) as client:
        assert not any(task.prompt == "never queued" for task in client.recent(100))


def test_a_terminal_sees_a_bar_for_each_clip_and_ctrl_c_cancels_the_batch(
    terminal_environment: dict[str, str], tmp_path: Path, live: Live, heeds_ctrl_c: None
) -> None:
    (tmp_path / "slow.txt").write_text(f"{SLOW} one\n{SLOW} two\n")
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "batch", "slow.txt"],
        env={**terminal_environment, "TERM": "xterm", "COLUMNS": "100"},
        cwd=tmp_path,
        stderr=theirs,
        stdout=subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    while not (b"1-endless-one.wav" in shown and b"2-endless-two.wav" in shown):
        shown += os.read(mine, 1000)
    terminal = threading.Thread(target=read_on, args=(mine,), daemon=True)
    terminal.start()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    terminal.join(10)
    os.close(mine)
    assert b"0 of 2 made" in shown
    with APIClient(live.key, live.url) as client:
        since = time.monotonic()
        while time.monotonic() - since < 10:
            mine_now = [task for task in client.recent() if task.prompt in (f"{SLOW} one", f"{SLOW} two")]
            if all(task.ended for task in mine_now):
                break
            time.sleep(0.1)
        assert [task.status for task in mine_now] == ["cancelled", "cancelled"]
    assert os.listdir(tmp_path) == ["slow.txt"]
