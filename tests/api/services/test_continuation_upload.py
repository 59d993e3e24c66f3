"""POST /tasks with `continue_audio` takes a recording to go on from: what is kept of it, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

from shared.jobs.blob_references import BlobReferences
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.storage import Storage
from tests.api.routes.test_batches import fields_of
from tests.audio_fixtures import file_of, read_back, silence, tone
from tests.shared.steps import claim

FORM = "multipart/form-data"
Finish = Callable[[Job, bytes], Job]


def form(audio: bytes, **fields: Any) -> dict[str, Any]:
    return {"data": {"continue_audio": (io.BytesIO(audio), "mine.wav"), **fields}, "content_type": FORM}


def beginning_of(store: JobStore, answer: Any) -> Any:
    assert answer.status_code == 202, answer.text
    request: MusicRequest = store.reader.get(answer.get_json()["task_id"]).request
    assert request.continue_from is not None
    return request.continue_from


def test_an_upload_is_kept_in_stereo_and_only_as_much_of_its_end_as_is_wanted(
    blob_references: BlobReferences, api: FlaskClient, store: JobStore, storage: Storage
) -> None:
    sides = tone(330, 3.0, rate_hz=44_100, channels=2)
    sides[1] *= 0.5
    answer = api.post("/tasks", **form(file_of(sides, 44_100), duration="8", continue_seconds="2"))
    found = beginning_of(store, answer)
    assert (found.seconds, answer.get_json()["continued_seconds"]) == (2.0, 2.0)
    assert answer.get_json()["beginning_seconds"] == 3.0
    assert answer.get_json()["continue_from"] is None
    kept, rate_hz = read_back(storage.read(found.key))
    assert (kept.shape, rate_hz) == ((2, 64_000), 32_000)
    assert abs(kept[0].std() / kept[1].std() - 2) < 0.01
    whole = beginning_of(store, api.post("/tasks", **form(file_of(tone(seconds=3.0), 32_000), prompt="x")))
    assert (whole.seconds, len(read_back(storage.read(whole.key))[0])) == (3.0, 1)
    assert blob_references.referred([found.key, whole.key]) == {found.key, whole.key}


def test_an_upload_that_was_odd_is_taken_with_a_warning_until_the_end_and_in_the_end(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    never_closed = bytearray(file_of(tone(seconds=3.0), 32_000))
    never_closed[4:8] = never_closed[40:44] = bytes(4)
    audio = {name: (io.BytesIO(bytes(never_closed)), "a.wav") for name in ("melody", "continue_audio")}
    answer = api.post("/tasks", data={"duration": "8", "prompt": "x", **audio}, content_type=FORM)
    assert answer.status_code == 202, answer.text
    asked = answer.get_json()
    assert [warning.partition(":")[0] for warning in asked["warnings"]] == ["melody", "continue_audio"]
    heard = {"melody_seconds": 3.0, "beginning_seconds": 3.0, "warnings": asked["warnings"]}
    assert asked | heard == asked
    job = finish(claim(store), file_of(tone(440, 8.0), 32_000))
    done = api.get(f"/tasks/{job.id}").get_json()
    assert done["result"] | heard == done["result"]
    assert done | heard == done


def test_a_bad_upload_is_refused_under_its_own_field(
    api: FlaskClient, store: JobStore, earlier: Callable[..., str]
) -> None:
    for audio, words in ((b"not audio", "not audio"), (file_of(silence(), 32_000), "silent")):
        answer = api.post("/tasks", **form(audio))
        assert fields_of(answer.get_json()) == ["continue_audio"]
        assert answer.get_json()["error"]["code"] == "INVALID_AUDIO"
        assert words in answer.get_json()["error"]["message"]
    answer = api.post("/tasks", **form(file_of(tone(seconds=9.0), 32_000)))
    assert "send 9.5 or more" in answer.get_json()["error"]["message"]
    answer = api.post("/tasks", **form(file_of(tone(), 32_000), continue_from=earlier()))
    assert "not both" in answer.get_json()["error"]["message"]
    answer = api.post("/tasks/batch", json={"requests": [{"prompt": "x", "continue_audio": "x"}]})
    assert fields_of(answer.get_json()) == ["requests[0].continue_audio"]
    assert store.reader.waiting() == {"tiny": 0}


def test_a_file_is_not_cut_here(api: FlaskClient) -> None:
    answer = api.post("/tasks", **form(file_of(tone(440, 2.0), 32_000), duration="6", continue_at="1"))
    assert fields_of(answer.get_json()) == ["continue_at"]
    assert "cut the file before you send it" in answer.get_json()["error"]["message"]
