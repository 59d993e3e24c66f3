"""Go on from audio through API, queue, worker and S3: the file begins with what it goes on from."""

from __future__ import annotations

import numpy as np
import pytest

from tests.audio_fixtures import file_of, read_back, tone
from tests.e2e.conftest import Stack

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

SETTLED = -3200  # the codec's last tenth of a second hears what comes next


def head_matches(whole: bytes, head: bytes) -> bool:
    long, short = read_back(whole)[0][0], read_back(head)[0][0]
    return bool(np.abs(long[: len(short) + SETTLED] - short[:SETTLED]).max() <= 2 / 32768)


def test_what_one_task_made_is_how_those_that_go_on_from_it_begin(stack: Stack) -> None:
    first = stack.submit(prompt="slow harp", duration=1.5, seed=1)
    answer = stack.http.post(  # before the first is done
        "/tasks", json={"continue_from": first, "duration": 2.5, "seed": 2, "variations": 2}
    )
    assert answer.status_code == 202, answer.text
    early = [task["task_id"] for task in answer.json()["tasks"]]
    head = stack.audio(stack.finish(first))
    late = stack.submit(prompt="slow harp", continue_from=first, duration=2.5, seed=2)
    cut = stack.submit(continue_from=first, continue_at=1, duration=2, seed=2)
    one, two, same, other = (stack.finish(task_id) for task_id in (*early, late, cut))
    assert (one["prompt"], one["continue_from"], one["result"]["continued_seconds"]) == ("slow harp", first, 1.5)
    waves = [stack.audio(task) for task in (one, two, same)]
    assert [head_matches(wave, head) for wave in waves] == [True] * 3
    assert [task["duration"] for task in (one, two, same)] == [2.5] * 3
    rest = [read_back(wave)[0][0, 48_000:] for wave in waves]
    assert np.array_equal(rest[0], rest[2]), "the same seed, asked for before the first was done and after"
    assert not np.array_equal(rest[0], rest[1])
    kept = read_back(stack.audio(other))[0]
    assert (other["continue_at"], other["result"]["continued_seconds"], kept.shape) == (1.0, 1.0, (1, 64_000))
    assert np.abs(kept[0, : 32_000 + SETTLED] - read_back(head)[0][0, : 32_000 + SETTLED]).max() <= 2 / 32768


def test_only_its_end_and_an_upload_can_be_gone_on_from(stack: Stack) -> None:
    first = stack.submit(duration=1.5, seed=3)
    head, rate_hz = read_back(stack.audio(stack.finish(first)))
    end = stack.finish(stack.submit(prompt="", continue_from=first, continue_seconds=0.5, duration=1, seed=4))
    made = read_back(stack.audio(end))[0][0]
    assert end["continued_seconds"] == 0.5
    # a codec that starts there has not heard what came before
    assert np.corrcoef(made[3200:12_800], head[0, -16_000 + 3200 : -16_000 + 12_800])[0, 1] > 0.9
    upload = {"continue_audio": ("mine.flac", file_of(tone(440, 2.0, rate_hz=44_100, channels=2), 44_100, "flac"))}
    answer = stack.http.post("/tasks", data={"duration": "2.5", "continue_seconds": "1.5"}, files=upload)
    task = stack.finish(answer.json()["task_id"])
    assert (task["continue_from"], task["continued_seconds"], task["duration"]) == (None, 1.5, 2.5)
    assert read_back(stack.audio(task))[0].shape == (1, 2.5 * rate_hz)
