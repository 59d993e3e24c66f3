"""Stream music while a real engine makes it, and run the examples of docs/streaming.md as they stand there."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from shared.settings import ROOT
from tests.e2e.conftest import Stack
from tests.e2e.listener import HEAD, Listener, samples_of
from tools.node import NODE

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

DOCUMENT = (ROOT / "docs" / "streaming.md").read_text()
PIECE_S = 25  # seconds: long enough to be joined in, however fast it is made
FIRST_SOUND = 0.3  # of the run time, at most
EXAMPLE_TIMEOUT_S = 60.0


def url_of(stack: Stack) -> str:
    return stack.services.url.replace("http://", "ws://") + "/ws/stream"


def test_the_first_sound_comes_before_a_third_of_the_run_time_and_the_chunks_join_to_the_file(stack: Stack) -> None:
    task_id = stack.submit(duration=PIECE_S, seed=11, stream=True)
    early = Listener(stack, task_id)
    stack.wait_for(lambda: len(early.sound) > 2 * 2 * 32_000, "two seconds of it", every_s=0.01)
    late = Listener(stack, task_id)
    task = stack.finish(task_id)
    early.join(10)
    late.join(10)
    file = samples_of(stack.audio(task))
    assert len(file) == 2 * PIECE_S * 32_000
    assert early.sound[HEAD:] == late.sound[HEAD:] == file
    began_at = task["created_at"] + task["queue_time"]
    share = (early.first_at - began_at) / task["run_time"]
    print(f"first sound after {early.first_at - began_at:.2f} s of {task['run_time']:.2f} s: {100 * share:.0f} %")
    assert share < FIRST_SOUND


def test_the_websocket_tells_the_same_sound_and_closing_it_cancels(stack: Stack) -> None:
    ask = {"type": "generate", "prompt": "calm piano", "duration": 3, "seed": 12}
    with connect(url_of(stack), proxy=None, max_size=None) as socket:
        socket.send(json.dumps(ask))
        told: list[dict[str, Any]] = []
        for text in socket:
            told.append(json.loads(text))
            if told[-1]["type"] in ("completed", "error"):
                break
        kinds = [message["type"] for message in told]
        assert (kinds[0], kinds[-1]) == ("accepted", "completed"), told[-1]
        assert kinds.count("audio_chunk") >= 3
        sound = b"".join(base64.b64decode(m["data"]) for m in told if m["type"] == "audio_chunk")
        assert sound == samples_of(httpx.get(told[-1]["audio_url"], trust_env=False).content)
        socket.send(json.dumps(ask | {"duration": 30}))
        accepted = json.loads(socket.recv())
        while json.loads(socket.recv(timeout=60))["type"] != "audio_chunk":
            pass
    stack.wait_for(lambda: stack.task(accepted["task_id"])["status"] == "cancelled", "the task's cancellation", 10.0)


def example(language: str, stack: Stack) -> str:
    """Return the document's last example in that language, at this stack's address."""
    text = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)[-1]
    return str(text.replace("localhost:8000", stack.services.url.removeprefix("http://")))


@pytest.mark.parametrize("language", ["js", "python"])
def test_the_documents_websocket_examples_run(stack: Stack, language: str) -> None:
    text = example(language, stack)
    program = (
        [sys.executable, "-c", text] if language == "python" else [str(NODE), "--experimental-websocket", "-e", text]
    )
    done = subprocess.run(program, capture_output=True, text=True, timeout=EXAMPLE_TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    samples, url = done.stdout.split()
    assert int(samples) == 2 * 32_000
    assert len(samples_of(httpx.get(url, trust_env=False).content)) == 2 * 2 * 32_000


def test_the_documents_shell_example_runs(stack: Stack, tmp_path: Any) -> None:
    lines = [line for line in example("bash", stack).splitlines() if not line.startswith("#")]
    submit, listen = "\n".join(lines[:2]), lines[2].partition("#")[0]
    told = subprocess.run(["bash", "-c", submit], capture_output=True, text=True, timeout=EXAMPLE_TIMEOUT_S)
    task_id = json.loads(told.stdout)["task_id"]
    heard = subprocess.run(
        ["bash", "-c", listen],
        env={"TASK_ID": task_id, "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        timeout=EXAMPLE_TIMEOUT_S,
    )
    assert heard.returncode == 0
    assert (tmp_path / "heard.wav").read_bytes()[HEAD:] == samples_of(stack.audio(stack.finish(task_id)))
