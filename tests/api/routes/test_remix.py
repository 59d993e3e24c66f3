"""POST /tasks/<id>/mix. The worker is played by the test."""

from __future__ import annotations

import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.webhooks.delivery_queue import DeliveryQueue
from tests.api.routes.test_multi_instrument import TRIO, Answer, Finish, look, send
from tests.shared.steps import claim, final


def make(api: FlaskClient, store: JobStore, finish: Finish, **fields: object) -> Answer:
    """A finished piece, whose stems are their instruments' names."""
    task = send(api, **fields)
    while (job := store.claim("tiny", "w1")) is not None:
        finish(job, (job.part or "mix").encode())
    return look(api, task)


def remix(api: FlaskClient, task_id: str, status: int = 202, idem: str | None = None, **fields: object) -> Answer:
    headers = {} if idem is None else {"Idempotency-Key": idem}
    answer = api.post(f"/tasks/{task_id}/mix", json=fields, headers=headers)
    assert answer.status_code == status, answer.text
    return dict(answer.get_json())


def mixed(answer: Answer) -> dict[str, tuple[float, float]]:
    return {part["name"]: (part["level"], part["panning"]) for part in answer["parts"]}


def test_a_piece_is_mixed_again_as_a_task_of_its_own_with_the_same_stems(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    piece = make(api, store, finish, mix_preset="jazz_club", title="Trio", tempo_bpm=94, key="A minor")
    answer = api.post(f"/tasks/{piece['task_id']}/mix", json={"levels": {"bass": -6}})
    task = answer.get_json()
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/tasks/{task['task_id']}")
    assert (task["mix_of"], piece["mix_of"]) == (piece["task_id"], None)
    assert (task["position"], task["status"], task["prompt"], task["seed"]) == (
        *(0, "processing"),
        *(piece["prompt"], piece["seed"]),
    )
    assert (task["tempo_bpm"], task["key"], task["mix_preset"], task["loudness"]) == (94, "A minor", "jazz_club", -18)
    assert mixed(task) == mixed(piece) | {"bass": (-6.0, 0.0)}
    assert {part["status"] for part in task["parts"]} == {"completed"}, "no music is made anew"
    assert [part["seed"] for part in task["parts"]] == [part["seed"] for part in piece["parts"]]
    job = claim(store)
    assert (job.id, job.request.title) == (task["task_id"], "Trio")
    finish(job, b"again")
    done = look(api, task)
    assert {name: api.get(url).data for name, url in done["result"]["stems"].items()} == {
        name: name.encode() for name in TRIO
    }
    assert (api.get(done["audio_url"]).data, api.get(piece["audio_url"]).data) == (b"again", b"mix")
    listed = api.get("/tasks").get_json()["tasks"]
    assert [each["task_id"] for each in listed] == [task["task_id"], piece["task_id"]]


def test_the_stems_stay_as_long_as_the_new_mix_and_go_with_it(
    api: FlaskClient, store: JobStore, finish: Finish, settings: Settings
) -> None:
    piece = make(api, store, finish)
    task = remix(api, piece["task_id"])
    for gone in (piece, *piece["parts"]):
        api.delete(f"/tasks/{gone['task_id']}?purge=1")
    assert api.get(piece["audio_url"]).status_code == 404
    finish(claim(store), b"again")
    stems = look(api, task)["result"]["stems"]
    assert {name: api.get(url).data for name, url in stems.items()} == {name: name.encode() for name in TRIO}
    third = remix(api, task["task_id"], loudness=-20)
    assert third["mix_of"] == task["task_id"]
    finish(claim(store), b"third")
    for each in (task, third):
        assert api.delete(f"/tasks/{each['task_id']}?purge=1").status_code == 200
    assert [path for path in settings.local_storage_path.rglob("*.wav") if path.is_file()] == []


def test_the_records_of_its_parts_outlast_its_wait_in_the_queue(
    api: FlaskClient, store: JobStore, finish: Finish, client: redis.Redis
) -> None:
    piece = make(api, store, finish)
    task = remix(api, piece["task_id"])
    keys = [f"ostinato:job:{part['task_id']}" for part in task["parts"]]
    keys += [f"ostinato:job:{part['task_id']}" for part in remix(api, piece["task_id"])["parts"]]
    assert [client.ttl(key) for key in keys] == 6 * [-1], "of one that shares the mix too"
    finish(claim(store), b"again")
    assert all(client.ttl(key) > 0 for key in keys)


def test_what_is_left_out_is_as_the_piece_has_it_and_null_is_the_default(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    how: Answer = {"levels": {"piano": 2}, "effects": {"bass": []}, "panning": {"drums": 1}, "loudness": -9}
    how |= {"mix_preset": "cinematic", "title": "Trio", "output_format": "flac", "client_id": "first"}
    piece = make(api, store, finish, **how)
    same = remix(api, piece["task_id"])
    for name in ("mix_preset", "loudness", "output_format"):
        assert same[name] == piece[name], name
    assert same["parts"][1]["effects"] == []
    assert (mixed(same), same["client_id"]) == (mixed(piece), None)
    other = remix(api, piece["task_id"], mix_preset="rock_stage")
    assert mixed(other) == mixed(piece) | {"bass": (-1.0, 0.0), "piano": (2.0, 0.5)}
    wanted = dict.fromkeys(("mix_preset", "levels", "panning", "effects", "loudness", "output_format"))
    plain = remix(api, piece["task_id"], **wanted, title=None, client_id="mine", priority="high")
    assert mixed(plain) == dict.fromkeys(TRIO, (0.0, 0.0))
    assert {part["name"]: part["effects"] for part in plain["parts"]} == {name: [] for name in TRIO}
    assert (plain["mix_preset"], plain["loudness"], plain["output_format"]) == (None, -16, "wav")
    job = store.reader.get(plain["task_id"])
    assert (job.request.title, job.request.client_id, job.request.priority) == (None, "mine", "high")


def test_equal_mixes_of_one_piece_are_mixed_once(api: FlaskClient, store: JobStore, finish: Finish) -> None:
    piece = make(api, store, finish)["task_id"]
    twins = [remix(api, piece, loudness=-12) for _ in range(2)]
    finish(claim(store), b"again")
    assert store.claim("tiny", "w1") is None
    assert [look(api, twin)["status"] for twin in twins] == ["completed", "completed"]
    assert remix(api, piece, loudness=-12)["status"] == "completed", "it is kept"
    for fields in ({"loudness": -13}, {"loudness": -12, "cache": False}, {"loudness": -12, "title": "other"}):
        assert remix(api, piece, **fields)["status"] == "processing", fields


def test_cancelling_one_of_two_equal_mixes_leaves_the_other(api: FlaskClient, store: JobStore, finish: Finish) -> None:
    piece = make(api, store, finish)["task_id"]
    first, second = (remix(api, piece) for _ in range(2))
    running = claim(store)
    assert api.delete(f"/tasks/{first['task_id']}").get_json()["status"] == "cancelled"
    finish(running, b"again")
    done = look(api, second)
    assert (done["status"], api.get(done["audio_url"]).data) == ("completed", b"again")
    assert api.get(done["result"]["stems"]["bass"]).data == b"bass"


def test_the_same_key_is_the_same_mix_also_once_the_piece_is_gone(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    piece = make(api, store, finish, title="Trio")
    first = remix(api, piece["task_id"], idem="k", levels={"bass": -3})
    assert remix(api, piece["task_id"], idem="k", levels={"bass": -3})["task_id"] == first["task_id"]
    conflict = remix(api, piece["task_id"], 422, idem="k", levels={"bass": -4})
    assert conflict["error"]["code"] == "IDEMPOTENCY_CONFLICT"
    api.delete(f"/tasks/{piece['task_id']}?purge=1")
    assert remix(api, piece["task_id"], idem="k", levels={"bass": -3})["task_id"] == first["task_id"]
    assert remix(api, piece["task_id"], 422, idem="k")["error"]["code"] == "IDEMPOTENCY_CONFLICT"
    assert remix(api, piece["task_id"], 404)["error"]["code"] == "NOT_FOUND"
    assert remix(api, piece["task_id"], 404, idem="another")["error"]["code"] == "NOT_FOUND"


def test_a_piece_whose_mix_failed_is_mixed_again_from_its_finished_stems(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    task = send(api, mix_preset="electronic_club")
    for _ in range(3):
        finish(claim(store), b"stem")
    store.fail(claim(store), final("this audio reaches -12 LUFS"))
    assert look(api, task)["status"] == "failed"
    again = remix(api, task["task_id"], loudness=-14)
    finish(claim(store), b"again")
    assert look(api, again)["status"] == "completed"


def test_it_begins_when_it_is_mixed_and_tells_its_own_webhook_and_events(
    api: FlaskClient, store: JobStore, finish: Finish, client: redis.Redis, settings: Settings
) -> None:
    piece, owed = make(api, store, finish), DeliveryQueue(client, settings)
    hook = {"webhook_url": "https://example.com/hook", "webhook_events": ["started", "completed"]}
    task = remix(api, piece["task_id"], **hook, ttl_s=60)
    assert owed.claim(9) == []
    finish(claim(store), b"again")
    assert {each.delivery.event for each in owed.claim(9)} == {"started", "completed"}
    told = api.get(f"/tasks/{task['task_id']}/events").get_data(as_text=True)
    kinds = [line.removeprefix("event: ") for line in told.splitlines() if line.startswith("event: ")]
    assert kinds == ["queued", "started", "completed"]


def test_it_is_its_accounts_own_and_counts_as_one_submission(
    api: FlaskClient, client: redis.Redis, store: JobStore, finish: Finish
) -> None:
    piece: Job | None = None
    keys = Keys(client)
    mine = {"X-API-Key": keys.create("mine", Allowance(rpm=9))[0]}
    theirs = {"X-API-Key": keys.create("theirs", Allowance())[0]}
    task = api.post("/tasks/multi-instrument", json={"instruments": TRIO}, headers=mine).get_json()
    while (piece := store.claim("tiny", "w1")) is not None:
        finish(piece, b"music")
    answer = api.post(f"/tasks/{task['task_id']}/mix", json={}, headers=mine)
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (202, "5")
    assert api.post(f"/tasks/{task['task_id']}/mix", json={}, headers=theirs).status_code == 404
    assert api.get(answer.get_json()["status_url"], headers=theirs).status_code == 404
