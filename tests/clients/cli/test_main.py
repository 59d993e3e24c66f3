"""Run the command line, in processes of its own against the live API."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import soundfile
from music_gen import APIClient
from music_gen.wav_reader import head_of

from tests.audio_fixtures import file_of, tone
from tests.clients.cli.conftest import COMMAND, Typed
from tests.clients.cli.terminal import read_on
from tests.clients.conftest import PACKAGE, RATE_HZ, SLOW, Live, pcm

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow]
HEAVY = ("httpx", "numpy", "soundfile", "rich.console")


def test_a_prompt_and_a_melody_become_the_file_that_was_named(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "hum.wav").write_bytes(file_of(tone(330, 1.0), 32_000))
    done = typed("lofi piano", "--melody", "hum.wav", "-o", "out.mp3", "--seed", "4")
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "out.mp3").format == "MP3"
    assert done.stdout == "out.mp3: 1.0 s by tiny, seed 4\n"
    assert done.stderr.splitlines()[-1] == "completed"


def test_the_default_subcommand_may_be_named_and_overwrites_nothing(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "music.wav").write_bytes(b"mine")
    done = typed("make", "list", "-d", "1", "--seed", "4", "--title", "A list", "--json", "-q")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["file"], told["seed"], told["task"]["prompt"]) == ("music-2.wav", 4, "list")
    assert (tmp_path / "music.wav").read_bytes() == b"mine"
    assert typed("list", "--force", "-q").returncode == 2, "list is a subcommand, and has no such option"
    forced = typed("once more", "--force", "--format", "wav", "-q")
    assert (forced.returncode, forced.stdout.startswith("music.wav: ")) == (0, True), forced.stderr
    assert soundfile.info(tmp_path / "music.wav").format == "WAV"


def test_one_goes_on_from_a_task_or_a_file_by_the_seconds_that_are_added(
    typed: Typed, tmp_path: Path, live: Live
) -> None:
    with APIClient(live.key, live.url) as client:
        earlier = client.wait(client.submit("slow piano", 1))
        done = typed("continue", earlier.id, "--add", "2", "--json")
        assert done.returncode == 0, done.stderr
        task = json.loads(done.stdout)["task"]
        assert (task["continue_from"], task["prompt"]) == (earlier.id, "slow piano")
        done = typed("continue", earlier.id, "--at", "0.5", "--add", "1.5", "--json")
        task = json.loads(done.stdout)["task"]
        assert (task["continue_at"], task["continued_seconds"], task["request"]["duration"]) == (0.5, 0.5, 2.0)
    (tmp_path / "mine.wav").write_bytes(file_of(tone(330, 3.0), 32_000))
    done = typed("continue", "mine.wav", "warm synthwave", "--continue-seconds", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task"]["beginning_seconds"] == pytest.approx(3.0)
    assert typed("continue", "none.wav").returncode == 2


def test_help_is_there_for_each_subcommand_and_imports_nothing_that_makes_music() -> None:
    ask = "\n".join(
        (
            "import sys; from music_gen.cli import commands, main",
            "for words in ([], *([name] for name in commands.NAMES)): main.run([*words, '-h'])",
            f"print('loaded', sorted(set({HEAVY}) & set(sys.modules)))",
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    for name in ("make", "continue", "variations", "batch", "list", "show", "cancel", "models"):
        assert f"  music-gen {name}" in done.stdout
        assert f"Usage: music-gen {name} " in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_a_tempo_and_a_key_are_options_and_what_the_prompt_overrules_is_told(typed: Typed, live: Live) -> None:
    asked = ["waltz in C major", "--tempo-bpm", "94", "--key", "A minor", "-o", "out.wav", "-d", "1"]
    done = typed(*asked)
    assert done.returncode == 0, done.stderr
    assert "music-gen: key: A minor was not used, as the prompt names C major" in done.stderr
    with APIClient(live.key, live.url) as client:
        assert any(task.prompt == "waltz in C major, at 94 bpm" for task in client.recent())
    refused = typed("x", "--key", "H major", "-q")
    assert (refused.returncode, "names no key (got 'H major')" in refused.stderr) == (1, True)


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
    terminal = threading.Thread(target=read_on, args=(mine,), daemon=True)
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


def test_streamed_the_sound_comes_out_as_a_wav_while_it_is_made_or_goes_to_a_player(
    typed: Typed, terminal_environment: dict[str, str], tmp_path: Path
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
    done = typed(*asked, "-o", "calm.flac", PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert played.read_bytes() == piped.stdout
    assert soundfile.info(tmp_path / "calm.flac").frames == RATE_HZ
    nobody = typed(*asked, PATH="")
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
        (("slow", "piano"), 2, "a prompt of several words stands in quotes"),
        (("cancle", "3f0c"), 2, "or is it music-gen cancel; music-gen make --help"),
        (("x", "--seed", "one"), 2, "'--seed'"),
        (("x", "-o", "-", "--json"), 2, "leave one of them out"),
        (("x", "--local", "--model", "nowhere/none", "--device", "quantum"), 1, "device"),
        (("x", "--base-url", "http://127.0.0.1:9"), 1, "http://127.0.0.1:9: start it"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_status(
    typed: Typed, tmp_path: Path, arguments: tuple[str, ...], status: int, told: str
) -> None:
    done = typed(*arguments)
    assert (done.returncode, told in done.stderr) == (status, True), done.stderr
    assert (done.stderr.count("music-gen: "), "Traceback" in done.stderr) == (1, False)
    assert os.listdir(tmp_path) == []
