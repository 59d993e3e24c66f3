"""Make music of a prompt and a melody through API, queue, worker and S3."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from shared.music.formats import FORMATS
from tests.audio_fixtures import file_of, played, read_back, tone
from tests.e2e.conftest import Stack
from tests.servers import S3Server

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

LOW = file_of(tone(220.0, 2.0), 32_000)
HIGH = file_of(tone(311.1, 2.0), 32_000)


def test_a_prompt_becomes_a_file_of_the_right_length_and_rate(stack: Stack) -> None:
    task = stack.finish(stack.submit(prompt="slow sad piano in A minor", duration=2.0, seed=1))
    waveform, rate_hz = read_back(stack.audio(task))
    assert (waveform.shape, rate_hz) == ((1, 64_000), 32_000)
    assert np.sqrt((waveform**2).mean()) > 0.001
    assert (task["duration"], task["sample_rate"], task["channels"], task["model"]) == (2.0, 32_000, 1, "tiny")
    assert task["generation_time"] > 0
    assert task["queue_time"] + task["run_time"] == pytest.approx(task["total_time"], abs=0.01)


def test_the_audio_url_is_presigned_and_needs_no_keys(stack: Stack, s3: S3Server) -> None:
    task = stack.finish(stack.submit(seed=1))
    assert task["audio_url"].startswith(s3.endpoint_url)
    assert "X-Amz-Signature" in task["audio_url"]
    assert httpx.get(task["audio_url"].partition("?")[0]).status_code == 403
    moved = stack.http.get(f"/tasks/{task['task_id']}/audio")
    assert moved.status_code == 302
    assert moved.headers["Location"].startswith(s3.endpoint_url)


def test_the_dialects_link_to_the_store_or_answer_with_the_bytes(stack: Stack, s3: S3Server) -> None:
    """Expect a link where their document shows a whole one, the file where it shows a path."""
    envelope = stack.http.post("/v1/audio/music", json={"description": "calm piano", "duration": 1}).json()
    link = envelope["response"]["output_url"]
    assert link.startswith(s3.endpoint_url)
    assert len(httpx.get(link).content) == envelope["response"]["file_size"]
    made = [
        stack.http.post("/generate", json={"prompt": "x", "duration": 1}).json()["audio_url"],
        stack.http.post("/generate/", json={"text": "x", "duration": 1}).json()["file_url"],
    ]
    for path in made:
        audio = stack.http.get(path)
        assert audio.status_code == 200
        assert path.rpartition("/")[2] in audio.headers["Content-Disposition"]
        assert read_back(audio.content)[1] == 32_000


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(stack: Stack) -> None:
    first, again, other = (stack.submit(seed=seed) for seed in (7, 7, 8))
    audio = [stack.audio(stack.finish(task)) for task in (first, again, other)]
    assert audio[0] == audio[1]
    assert audio[0] != audio[2]


def test_a_drawn_seed_is_told_and_reproduces_its_audio(stack: Stack) -> None:
    task = stack.finish(stack.submit())
    assert stack.generate(seed=task["seed"]) == stack.audio(task)


def test_the_melody_reaches_the_model(stack: Stack) -> None:
    """Differ in the melody alone: same prompt, same seed."""
    without, low, low_again, high = (stack.submit(m, seed="3") for m in (None, LOW, LOW, HIGH))
    audio = [stack.audio(stack.finish(task)) for task in (without, low, low_again, high)]
    assert audio[1] == audio[2]
    assert len(set(audio)) == 3


def test_a_melody_alone_is_enough(stack: Stack) -> None:
    assert stack.finish(stack.submit(LOW, prompt=""))["status"] == "completed"


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "wav"])
def test_every_format_is_served_with_its_type_and_reads_back(stack: Stack, name: str) -> None:
    task = stack.finish(stack.submit(seed=1, output_format=name))
    answer = httpx.get(task["audio_url"])
    assert answer.headers["Content-Type"] == FORMATS[name].media_type
    waveform, rate_hz = (played if FORMATS[name].needs_ffmpeg else read_back)(answer.content)
    assert rate_hz == (48_000 if name == "opus" else 32_000)
    assert abs(waveform.shape[1] / rate_hz - 1.0) < 0.1  # mp3 and aac pad to whole frames
    assert np.abs(waveform).max() <= 1.0


def test_temperature_and_guidance_zero_run(stack: Stack) -> None:
    greedy = [read_back(stack.generate(temperature=0, seed=seed))[0] for seed in (1, 2)]
    assert np.array_equal(*greedy)
    free = [read_back(stack.generate(prompt=prompt, guidance_scale=0, seed=1))[0] for prompt in ("piano", "drums")]
    assert np.array_equal(*free)


def test_an_alias_is_sung_by_the_model_it_names(stack: Stack) -> None:
    assert stack.finish(stack.submit(model="facebook/musicgen-small"))["model"] == "tiny"


def test_progress_is_told_while_it_runs_and_a_running_task_can_be_cancelled(stack: Stack) -> None:
    task_id = stack.submit(duration=30.0)
    stack.wait_for(lambda: stack.task(task_id)["current"] > 0, "the first progress")
    task = stack.task(task_id)
    assert (task["status"], task["stage"]) == ("processing", "running")
    assert 0 < task["progress"] < 100
    assert task["total"] >= 1500
    assert stack.http.delete(f"/tasks/{task_id}").json()["status"] == "cancelled"
    assert stack.finish(stack.submit(), timeout_s=15.0)["status"] == "completed"
    assert stack.task(task_id)["status"] == "cancelled"
