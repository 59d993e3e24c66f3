"""Run the command line, in processes of its own against the live API."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from music_gen import APIClient
from music_gen.wav_reader import head_of

from tests.audio_fixtures import file_of, tone
from tests.clients.conftest import RATE_HZ, SLOW, Live, pcm

pytestmark = pytest.mark.xdist_group("clients")
COMMAND = [sys.executable, "-m", "music_gen"]


def run(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_a_prompt_and_a_melody_become_the_file_that_was_named(
    terminal_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hum.wav").write_bytes(file_of(tone(330, 1.0), 32_000))
    done = run(terminal_environment, tmp_path, "lofi piano", "--melody", "hum.wav", "-o", "out.mp3", "--seed", "4")
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "out.mp3").format == "MP3"
    assert done.stdout == "out.mp3: 1.0 s by tiny, seed 4\n"
    assert done.stderr.splitlines()[-1] == "completed"


def test_a_tempo_and_a_key_are_options_and_what_the_prompt_overrules_is_told(
    terminal_environment: dict[str, str], tmp_path: Path, live: Live
) -> None:
    asked = ["waltz in C major", "--tempo-bpm", "94", "--key", "A minor", "-o", "out.wav", "-d", "1"]
    done = run(terminal_environment, tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    assert "music-gen: key: A minor was not used, as the prompt names C major" in done.stderr
    with APIClient(live.key, live.url) as client:
        assert any(task.prompt == "waltz in C major, at 94 bpm" for task in client.recent())
    refused = run(terminal_environment, tmp_path, "x", "--key", "H major", "-q")
    assert (refused.returncode, "names no key (got 'H major')" in refused.stderr) == (1, True)


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Let programs started meanwhile take SIGINT, which a shell's background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_terminal_sees_a_bar_and_ctrl_c_cancels_the_task(
    terminal_environment: dict[str, str], tmp_path: Path, live: Live
) -> None:
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, f"{SLOW} terminal"], env=terminal_environment, cwd=tmp_path, stderr=theirs, stdout=subprocess.PIPE
    )
    os.close(theirs)
    shown = b""
    while b"[#######" not in shown:
        shown += os.read(mine, 1000)
    terminal = threading.Thread(target=_read_on, args=(mine,), daemon=True)
    terminal.start()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    terminal.join(10)
    os.close(mine)
    assert b" % running" in shown
    with APIClient(live.key, live.url) as client:
        task = next(task for task in client.recent() if task.prompt == f"{SLOW} terminal")
        since = time.monotonic()
        while not client.get(task).ended and time.monotonic() - since < 10:
            time.sleep(0.1)
        assert client.get(task).status == "cancelled"
    assert os.listdir(tmp_path) == []


def _read_on(terminal: int) -> None:
    """Read on, as a terminal does: what nobody reads fills up, and then who writes there waits."""
    with contextlib.suppress(OSError):  # the other side is closed
        while os.read(terminal, 1000):
            pass


def test_streamed_the_sound_comes_out_as_a_wav_while_it_is_made_or_goes_to_a_player(
    terminal_environment: dict[str, str], tmp_path: Path
) -> None:
    asked = ["calm", "--stream", "--duration", "1", "--seed", "30"]
    piped = subprocess.run(
        [*COMMAND, *asked, "-o", "-"], env=terminal_environment, cwd=tmp_path, capture_output=True, timeout=60
    )
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout == head_of(RATE_HZ, 1) + pcm(31, 1)
    player, played = tmp_path / "aplay", tmp_path / "played.wav"
    player.write_text(f'#!/bin/sh\n/bin/cat > "{played}"\n')
    player.chmod(0o755)
    done = run({**terminal_environment, "PATH": str(tmp_path)}, tmp_path, *asked, "-o", "calm.flac")
    assert done.returncode == 0, done.stderr
    assert played.read_bytes() == piped.stdout
    assert soundfile.info(tmp_path / "calm.flac").frames == RATE_HZ
    nobody = run({**terminal_environment, "PATH": ""}, tmp_path, *asked)
    assert (nobody.returncode, nobody.stderr.count("\n"), "no program to play" in nobody.stderr) == (1, 1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("x", "-o", "out.txt"), 2, "must end in .wav"),
        ((), 2, "say what to hear"),
        (("x", "--melody", "none.wav"), 2, "no such file"),
        (("please fail", "-q"), 1, "Out of memory"),
        (("x", "--duration", "9999"), 1, "duration"),
        (("x", "--local", "--stream"), 2, "--stream: only with a server"),
        (("x", "--device", "cpu"), 2, "only with --local"),
        (("x", "--local", "--model", "nowhere/none", "--device", "quantum"), 1, "device"),
        (("x", "--base-url", "http://127.0.0.1:9"), 1, "http://127.0.0.1:9: start it"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_status(
    terminal_environment: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], status: int, told: str
) -> None:
    done = run(terminal_environment, tmp_path, *arguments)
    assert (done.returncode, told in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []
