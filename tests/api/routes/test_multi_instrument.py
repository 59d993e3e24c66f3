"""POST /tasks/multi-instrument and 003's /api/v1/multi-instrument. The worker is played by the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import Allowance, Keys
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.shared.steps import claim, final

Answer = dict[str, Any]
Finish = Callable[[Job, bytes], Job]
TRIO = {"piano": "Jazz piano comping", "bass": "Walking bass line", "drums": "Swing pattern"}


def send(api: FlaskClient, status: int = 202, idem: str | None = None, **fields: object) -> Answer:
    headers = {} if idem is None else {"Idempotency-Key": idem}
    answer = api.post("/tasks/multi-instrument", json={"instruments": TRIO} | fields, headers=headers)
    assert answer.status_code == status, answer.text
    return dict(answer.get_json())


def look(api: FlaskClient, task: Answer) -> Answer:
    return dict(api.get(f"/tasks/{task['task_id']}").get_json())


def parts(answer: Answer) -> dict[str, Answer]:
    return {part["name"]: part for part in answer["parts"]}


def test_it_is_one_task_whose_parts_have_a_common_tempo_and_key(api: FlaskClient, store: JobStore) -> None:
    answer = api.post("/tasks/multi-instrument", json={"instruments": TRIO, "tempo_bpm": 94, "key": "a minor"})
    task = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/tasks/{task['task_id']}"
    assert (task["status"], task["stage"], task["position"]) == ("processing", "waiting_for_tasks", None)
    assert (task["tempo_bpm"], task["key"], task["mix_preset"]) == (94, "A minor", None)
    assert task["prompt"] == "piano: Jazz piano comping; bass: Walking bass line; drums: Swing pattern"
    assert [part["name"] for part in task["parts"]] == list(TRIO)
    prompts = {name: part["prompt"] for name, part in parts(task).items()}
    assert prompts == {
        "piano": "Jazz piano comping in A minor, at 94 bpm",
        "bass": "Walking bass line in A minor, at 94 bpm",
        "drums": "Swing pattern, at 94 bpm",
    }
    listed = api.get("/tasks").get_json()
    assert (listed["total"], [each["task_id"] for each in listed["tasks"]]) == (1, [task["task_id"]])
    part = look(api, parts(task)["piano"])
    assert (part["position"], part["output_format"]) == (0, "wav")
    assert (part["part"], part["part_of"]) == ("piano", task["task_id"])


def test_pitched_parts_wait_for_the_first_pitched_one_unless_they_opt_out(api: FlaskClient, store: JobStore) -> None:
    instruments = {"drums": "beat", "piano": "x", "bass": "y", "flute": {"prompt": "z", "follow": False}}
    named = parts(send(api, instruments=instruments))
    jobs = {name: store.reader.get(part["task_id"]) for name, part in named.items()}
    assert {name: job.melody_of for name, job in jobs.items()} == {
        "drums": None,
        "piano": None,
        "bass": jobs["piano"].id,
        "flute": None,
    }
    assert store.reader.startable() == {"tiny": 3}


def test_a_model_without_melody_makes_all_parts_at_once(
    client: redis.Redis, settings: Settings, store: JobStore
) -> None:
    small = replace(TINY, worker="w2", model="plain", size="custom", melody=False)
    WorkerRegistry(client, settings).announce(small)
    task = send(create_app(settings).test_client(), model="plain")
    assert {store.reader.get(part["task_id"]).melody_of for part in task["parts"]} == {None}
    assert store.reader.startable() == {"plain": 3}


def test_it_tells_how_far_it_is_and_at_the_end_where_the_mix_and_each_stem_lie(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    task = send(api, mix_preset="jazz_club", duration=4)
    first = claim(store)
    store.renew(first, first.stage, 50, 100)
    seen = look(api, task)
    assert (seen["progress"], parts(seen)["piano"]["percent"]) == (14.8, 49.5)
    finish(first, b"piano")
    seen = look(api, task)
    assert parts(seen)["piano"]["status"] == "completed"
    assert api.get(parts(seen)["piano"]["audio_url"]).data == b"piano"
    assert "audio_url" not in parts(seen)["bass"]
    for _ in range(2):
        finish(claim(store), b"part")
    assert look(api, task)["position"] == 0
    assert look(api, task)["progress"] == pytest.approx(94, abs=0.1)
    mix = claim(store)
    assert mix.id == task["task_id"]
    finish(mix, b"mix")
    seen = look(api, task)
    assert (seen["status"], seen["progress"]) == ("completed", 100.0)
    assert api.get(seen["audio_url"]).data == b"mix"
    assert seen["result"]["audio_url"] == seen["audio_url"]
    assert list(seen["result"]["stems"]) == list(TRIO)
    assert api.get(seen["result"]["stems"]["piano"]).data == b"piano"


def test_a_failed_part_is_named_and_finished_stems_stay(api: FlaskClient, store: JobStore, finish: Finish) -> None:
    task = send(api)
    finish(claim(store), b"piano")
    failed = claim(store)
    store.fail(failed, final("the weights are broken"))
    seen = look(api, task)
    assert (seen["status"], seen["error_code"]) == ("failed", "PART_FAILED")
    assert seen["error"] == f'the part "{failed.part}" (task {failed.id}) failed: the weights are broken'
    assert seen["error_details"]["part"] == failed.part
    assert api.get(parts(seen)["piano"]["audio_url"]).data == b"piano"
    assert {part["status"] for part in seen["parts"]} == {"completed", "failed", "cancelled"}


def test_cancelling_it_cancels_its_parts_and_purging_removes_them_and_their_audio(
    api: FlaskClient, store: JobStore, settings: Settings, finish: Finish
) -> None:
    task = send(api)
    finish(claim(store), b"piano")
    cancelled = api.delete(f"/tasks/{task['task_id']}").get_json()
    assert cancelled["status"] == "cancelled"
    assert [part["status"] for part in cancelled["parts"]] == ["completed", "cancelled", "cancelled"]
    assert api.delete(f"/tasks/{task['task_id']}?purge=1").get_json()["purged"] is True
    for gone in (task, *task["parts"]):
        assert api.get(f"/tasks/{gone['task_id']}").status_code == 404
    assert [path for path in settings.local_storage_path.rglob("*.wav") if path.is_file()] == []


def test_a_part_can_be_purged_only_after_the_whole_and_is_then_told_as_gone(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    task = send(api, instruments={"piano": "x"})
    finish(claim(store), b"piano")
    piano = f"/tasks/{task['parts'][0]['task_id']}?purge=1"
    refused = api.delete(piano)
    assert refused.status_code == 409
    assert "a part of one that has not ended" in refused.get_json()["error"]["message"]
    finish(claim(store), b"mix")
    assert api.delete(piano).status_code == 200
    seen = look(api, task)
    mixed: Answer = {"level": 0.0, "panning": 0.0, "effects": []}
    assert seen["parts"] == [{"name": "piano", "task_id": task["parts"][0]["task_id"], "status": "gone"} | mixed]
    assert seen["result"]["stems"] == {}


def test_the_same_key_is_the_same_piece_and_another_body_is_refused(api: FlaskClient, store: JobStore) -> None:
    first = send(api, idem="k")
    assert send(api, idem="k")["task_id"] == first["task_id"]
    assert store.reader.waiting() == {"tiny": 2}
    assert send(api, 422, idem="k", mix_preset="cinematic")["error"]["code"] == "IDEMPOTENCY_CONFLICT"


def test_a_seed_settles_the_parts_seeds_by_name_and_equal_pieces_are_not_made_twice(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    task = send(api, seed=7, mix_preset="jazz_club")
    for _ in range(4):
        finish(claim(store), b"music")
    again = send(api, seed=7, mix_preset="jazz_club")
    assert again["status"] == "completed"
    assert again["task_id"] != task["task_id"]
    assert {part["status"] for part in again["parts"]} == {"completed"}
    other = send(api, seed=7, mix_preset="cinematic")
    assert {part["status"] for part in other["parts"]} == {"completed"}, "only the mix is another"
    assert (other["status"], other["position"]) == ("processing", 0)
    duo = parts(send(api, seed=7, instruments={"bass": TRIO["bass"], "piano": {"prompt": "x", "seed": 5}}))
    assert duo["bass"]["seed"] == parts(task)["bass"]["seed"]
    assert duo["piano"]["seed"] == 5
    assert len({part["seed"] for part in task["parts"]}) == 3


@pytest.mark.parametrize(
    ("fields", "named", "words"),
    [
        ({"instruments": {}}, "instruments", "send an object of 1 to 16 instruments"),
        ({"instruments": ["piano"]}, "instruments", "no object"),
        ({"instruments": {f"i{n}": "x" for n in range(17)}}, "instruments", "holds 17"),
        ({"instruments": {" ": "x"}}, "instruments. ", "is no name"),
        ({"instruments": {"piano": " "}}, "instruments.piano", "empty or blank"),
        ({"instruments": {"piano": 3}}, "instruments.piano", "string"),
        ({"instruments": {"piano": {"prompt": "x", "seed": -1}}}, "instruments.piano.seed", "greater than or equal"),
        ({"instruments": {"piano": {"prompt": "x", "pan": 1}}}, "instruments.piano.pan", "unknown field"),
        ({"instruments": {"piano": {"prompt": "x", "follow": 1}}}, "instruments.piano.follow", "true or false"),
        ({"mix_preset": "jazz"}, "mix_preset", "unknown preset; send one of jazz_club, concert_hall"),
        ({"mix_preset": ["jazz"]}, "mix_preset", "unknown preset"),
        ({"levels": {"guitar": 3}}, "levels.guitar", "there is no such track; tracks: piano, bass, drums"),
        ({"levels": {"piano": "loud"}}, "levels.piano", "send a number from -96 to 24"),
        ({"levels": 3}, "levels", "must be an object"),
        ({"panning": {"piano": 1.5}}, "panning.piano", "send a number from -1 to 1"),
        ({"effects": {"piano": [{"type": "flanger"}]}}, "effects.piano[0].type", "unknown effect; send one of chorus"),
        ({"effects": {"piano": [{"type": "reverb", "wet": 2}]}}, "effects.piano[0].wet", "send a number from 0 to 1"),
        ({"effects": {"piano": [{"type": "reverb", "x": 2}]}}, "effects.piano[0].x", "unknown setting"),
        ({"tempo_bpm": 300}, "tempo_bpm", "from 40 to 240"),
        ({"tempo_bpm": True}, "tempo_bpm", "from 40 to 240"),
        ({"key": "H minor"}, "key", "send a key such as"),
        ({"duration": 1000}, "duration", "seconds for this model"),
        ({"loudness": 0}, "loudness", "LUFS"),
        ({"model": "nonesuch"}, "model", "unknown model"),
        ({"prompt": "x"}, "prompt", "unknown field; leave it out. Known: cache"),
        ({"stream": True}, "stream", "unknown field"),
        ({"webhook_url": "ftp://x"}, "webhook_url", ""),
    ],
)
def test_every_bad_field_is_refused_by_name(
    api: FlaskClient, store: JobStore, fields: Answer, named: str, words: str
) -> None:
    error = send(api, 400, **fields)["error"]
    faults = error["details"]["fields"]
    assert [fault["field"] for fault in faults] == [named]
    assert words in faults[0]["message"]
    assert store.reader.waiting() == {}


def test_all_faults_are_told_at_once(api: FlaskClient) -> None:
    fields = {"instruments": {"piano": "", "bass": ""}, "duration": 0, "mix_preset": "x", "panning": {"bass": 9}}
    faults = send(api, 400, **fields)["error"]["details"]["fields"]
    assert [fault["field"] for fault in faults] == [
        "mix_preset", "panning.bass", "duration", "instruments.piano", "instruments.bass",
    ]  # fmt: skip


def test_a_full_line_takes_none_of_it_and_one_that_never_fits_is_the_callers_mistake(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], store: JobStore
) -> None:
    api = open_api(make_settings(max_queue_length=5))
    send(api)
    full = send(api, 429)
    assert full["error"]["details"]["needed"] == 4
    tight = open_api(make_settings(max_queue_length=3))
    fault = send(tight, 400)["error"]["details"]["fields"][0]
    assert (fault["field"], fault["code"]) == ("instruments", "BATCH_TOO_LARGE")
    assert store.reader.count("local") == 1


def test_the_documents_body_is_accepted_as_it_is_printed_and_followed_as_its_one_clip(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    answer = api.post(
        "/api/v1/multi-instrument", json={"instruments": TRIO, "duration": 30.0, "mix_preset": "jazz_club"}
    )
    assert answer.status_code == 202
    task = answer.get_json()
    assert set(task) == {"task_id", "status", "eta"}
    address = f"/api/v1/generate/{task['task_id']}"
    seen = api.get(address).get_json()
    assert (seen["status"], seen["progress"]) == ("processing", 0.0)
    for _ in range(4):
        finish(claim(store), b"music")
    seen = api.get(address).get_json()
    assert (seen["status"], seen["duration"]) == ("completed", 2.0)
    assert seen["audio_url"].startswith("http://localhost/")
    assert seen["metadata"]["mix_preset"] == "jazz_club"
    assert [stem["name"] for stem in seen["metadata"]["stems"]] == list(TRIO)
    assert api.get(seen["metadata"]["stems"][0]["audio_url"]).data == b"music"


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"mix_preset": "x"}, "mix_preset"), ({"bpm": 3}, "bpm"), ({"instruments": {"piano": ""}}, "instruments.piano")],
)
def test_the_documents_refusals_name_the_field(api: FlaskClient, fields: Answer, named: str) -> None:
    answer = api.post("/api/v1/multi-instrument", json={"instruments": TRIO} | fields)
    assert answer.status_code == 400
    assert set(answer.get_json()["error"]) == {"code", "message", "details"}
    assert [fault["field"] for fault in answer.get_json()["error"]["details"]["fields"]] == [named]


def test_an_operators_retry_of_a_mix_alone_is_refused(api: FlaskClient, store: JobStore) -> None:
    task = send(api)
    api.delete(f"/tasks/{task['task_id']}")
    refused = api.post(f"/v2/tiny/retry/{task['task_id']}")
    assert refused.status_code == 409


def test_metrics_count_mixes(api: FlaskClient, store: JobStore, finish: Finish) -> None:
    send(api, instruments={"piano": "x"})
    assert "ostinato_held_jobs 1.0" in api.get("/metrics").get_data(as_text=True)
    finish(claim(store), b"piano")
    finish(claim(store), b"mix")
    told = api.get("/metrics").get_data(as_text=True)
    assert 'ostinato_mixes_total{model="tiny"} 1.0' in told
    assert 'ostinato_mix_seconds_total{model="tiny"} 0.7' in told


def test_it_is_its_accounts_own_and_counts_a_submission_for_each_instrument(
    api: FlaskClient, client: redis.Redis, store: JobStore
) -> None:
    keys = Keys(client)
    mine = {"X-API-Key": keys.create("mine", Allowance(rpm=5, concurrent=1))[0]}
    theirs = {"X-API-Key": keys.create("theirs", Allowance())[0]}
    answer = api.post("/tasks/multi-instrument", json={"instruments": TRIO}, headers=mine)
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (202, "2")
    for address in (answer.get_json()["status_url"], f"/tasks/{answer.get_json()['parts'][0]['task_id']}"):
        assert api.get(address, headers=theirs).status_code == 404
        assert api.get(address, headers=mine).status_code == 200
    many = {"instruments": {f"piano {n}": "x" for n in range(6)}}
    refused = api.post("/tasks/multi-instrument", json=many, headers=theirs | mine).get_json()
    assert [fault["field"] for fault in refused["error"]["details"]["fields"]] == ["instruments"]
    claim(store)
    assert store.claim("tiny", "w2") is None, "one at once"
