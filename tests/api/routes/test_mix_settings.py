"""GET /tasks/<id>/mix. The worker is played by the test."""

from __future__ import annotations

import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from mixing.presets import PRESETS
from shared.jobs.store import JobStore
from tests.api.routes.test_multi_instrument import TRIO, Answer, Finish
from tests.api.routes.test_remix import make, remix


def mix_of(api: FlaskClient, task_id: str, query: str = "", status: int = 200) -> Answer:
    answer = api.get(f"/tasks/{task_id}/mix{query}")
    assert answer.status_code == status, answer.text
    return dict(answer.get_json())


def test_a_pieces_mix_tells_its_parts_and_what_their_sum_goes_through(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    piece = make(api, store, finish, mix_preset="jazz_club", levels={"bass": -7}, loudness=-20)
    mix = mix_of(api, piece["task_id"])
    assert (mix["task_id"], mix["mix_preset"], mix["loudness"]) == (piece["task_id"], "jazz_club", -20)
    assert mix["bus"] == [effect.as_json() for effect in PRESETS["jazz_club"].bus]
    told = [{name: part[name] for name in ("name", "level", "panning", "effects")} for part in piece["parts"]]
    assert mix["parts"] == told


def test_by_another_preset_it_is_what_a_new_mix_by_that_alone_would_be(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    piece = make(api, store, finish, mix_preset="jazz_club", levels={"bass": -7}, loudness=-20)
    alone = {"levels": None, "panning": None, "effects": None, "loudness": None}
    for name in ("rock_stage", "ROCK_STAGE", "none"):
        preset = None if name == "none" else name.lower()
        mix = mix_of(api, piece["task_id"], f"?mix_preset={name}")
        made = remix(api, piece["task_id"], mix_preset=preset, **alone)
        assert (mix["mix_preset"], mix["loudness"]) == (preset, made["loudness"])
        assert [part["level"] for part in mix["parts"]] == [part["level"] for part in made["parts"]]
        assert [part["effects"] for part in mix["parts"]] == [part["effects"] for part in made["parts"]]
        assert bool(mix["bus"]) == (preset is not None)


def test_what_is_no_preset_or_no_piece_is_refused(api: FlaskClient, store: JobStore, finish: Finish) -> None:
    piece = make(api, store, finish)
    wrong = mix_of(api, piece["task_id"], "?mix_preset=disco", 400)["error"]
    assert wrong["details"]["fields"][0]["field"] == "mix_preset"
    assert "rock_stage" in wrong["message"]
    refused = mix_of(api, piece["parts"][0]["task_id"], status=409)["error"]
    assert refused["details"] == {"whole": piece["task_id"]}
    mix_of(api, "no-such-task", status=404)


def test_it_is_told_its_account_alone_also_before_it_is_made(api: FlaskClient, client: redis.Redis) -> None:
    keys = Keys(client)
    mine, theirs = ({"X-API-Key": keys.create(name, Allowance())[0]} for name in ("mine", "theirs"))
    task = api.post("/tasks/multi-instrument", json={"instruments": TRIO}, headers=mine).get_json()
    assert api.get(f"/tasks/{task['task_id']}/mix", headers=mine).status_code == 200
    assert api.get(f"/tasks/{task['task_id']}/mix", headers=theirs).status_code == 404
