"""PATCH /tasks/<id>, GET /tasks?q= and ?favourite=: titles, favourites, and finding them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from shared.broker.keys import REDIS_KEYS
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.routes.test_batches import fields_of
from tests.audio_fixtures import file_of, tone
from tests.shared.audio.test_tags import tags_in
from tests.shared.steps import claim

CLIP = file_of(tone(440, 2.0), 32_000)
Finish = Callable[[Job, bytes], Job]


@pytest.fixture
def done(api: FlaskClient, store: JobStore, finish: Finish) -> Callable[..., str]:
    """The id of a completed task."""

    def done(**fields: Any) -> str:
        api.post("/tasks", json={"prompt": "slow harp", "duration": 2} | fields)
        return finish(claim(store), CLIP).id

    return done


def listed(api: FlaskClient, query: str) -> list[str]:
    answer = api.get(f"/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return [task["task_id"] for task in answer.get_json()["tasks"]]


def test_a_title_is_changed_and_taken_away_and_other_formats_are_tagged_with_it(
    api: FlaskClient, done: Callable[..., str]
) -> None:
    task_id = done(title="Night")
    assert api.get(f"/tasks/{task_id}").get_json()["title"] == "Night"
    edited = api.patch(f"/tasks/{task_id}", json={"title": "  Rêverie 夜 "})
    assert (edited.status_code, edited.get_json()["title"]) == (200, "Rêverie 夜")
    assert api.get(f"/tasks/{task_id}").get_json()["title"] == "Rêverie 夜"
    assert tags_in(api.get(f"/tasks/{task_id}/audio?format=flac").data)["title"] == "Rêverie 夜"
    assert api.get(f"/tasks/{task_id}/audio").data == CLIP
    for nothing in (None, "", " "):
        assert "title" not in api.patch(f"/tasks/{task_id}", json={"title": nothing}).get_json()
        api.patch(f"/tasks/{task_id}", data={"title": "Day"})
    assert api.get("/tasks").get_json()["tasks"][0]["title"] == "Day"


def test_a_favourite_is_listed_and_unmarked_and_leaves_with_a_purge(
    api: FlaskClient, done: Callable[..., str], client: redis.Redis
) -> None:
    first, second, third = done(), done(), done()
    for task_id in (third, first):
        assert api.patch(f"/tasks/{task_id}", json={"favourite": True}).get_json()["favourite"] is True
    assert listed(api, "favourite=true") == [third, first]
    assert listed(api, "favourite=false") == [third, second, first]
    page = api.get("/tasks?favourite=true&limit=1&offset=1").get_json()
    assert ([task["task_id"] for task in page["tasks"]], page["total"]) == ([first], 2)
    assert client.ttl(REDIS_KEYS.job(first)) == -1
    assert "favourite" not in api.patch(f"/tasks/{first}", json={"favourite": False}).get_json()
    assert client.ttl(REDIS_KEYS.job(first)) > 0
    assert api.delete(f"/tasks/{third}?purge=1").status_code == 200
    assert listed(api, "favourite=true") == []


def test_a_search_finds_by_title_and_prompt_page_by_page(api: FlaskClient, done: Callable[..., str]) -> None:
    ids = [done(prompt=f"slow harp {number}", title="Rêverie" if number % 2 else None) for number in range(4)]
    waits = api.post("/tasks", json={"prompt": "fast drums"}).get_json()["task_id"]
    assert listed(api, "q=HARP") == ids[::-1]
    assert listed(api, "q=reverie%20harp") == [ids[3], ids[1]]
    page = api.get("/tasks?q=slow&limit=2&offset=1").get_json()
    assert [task["task_id"] for task in page["tasks"]] == [ids[2], ids[1]]
    assert (page["total"], page["searched"], page["offset"]) == (4, 5, 1)
    drums = api.get("/tasks?q=drums").get_json()["tasks"]
    assert [(task["task_id"], task["position"]) for task in drums] == [(waits, 0)]
    assert "searched" not in api.get("/tasks?q=%20").get_json()
    api.patch(f"/tasks/{ids[0]}", json={"favourite": True, "title": "Evening"})
    assert listed(api, "q=harp&favourite=true") == [ids[0]]
    assert listed(api, "q=evening") == [ids[0]]
    api.delete(f"/tasks/{ids[0]}?purge=1")
    assert listed(api, "q=evening") == []


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "body", "send title, favourite, or both"),
        ({"title": "x" * 201}, "title", "at most 200 characters"),
        ({"title": "a\0b"}, "title", "NUL character"),
        ({"title": 7}, "title", "valid string"),
        ({"favourite": "perhaps"}, "favourite", "valid boolean"),
        ({"prompt": "x"}, "prompt", "unknown field; leave it out. Known: favourite, title"),
    ],
)
def test_what_cannot_be_changed_is_refused_by_name(
    api: FlaskClient, done: Callable[..., str], body: dict[str, Any], field: str, words: str
) -> None:
    answer = api.patch(f"/tasks/{done()}", json=body)
    assert (answer.status_code, fields_of(answer.get_json())) == (400, [field]), answer.text
    assert words in answer.get_json()["error"]["message"]


def test_a_task_without_audio_is_no_favourite_and_a_full_account_is_told_the_setting(
    make_settings: Callable[..., Settings], open_api: Callable[..., FlaskClient], done: Callable[..., str]
) -> None:
    api = open_api(make_settings(max_favourites=1))
    first, second = done(), done()
    waits = api.post("/tasks", json={"prompt": "x"}).get_json()["task_id"]
    early = api.patch(f"/tasks/{waits}", json={"favourite": True})
    assert (early.status_code, early.get_json()["error"]["details"]) == (409, {"status": "queued"})
    api.patch(f"/tasks/{first}", json={"favourite": True})
    full = api.patch(f"/tasks/{second}", json={"favourite": True})
    assert (full.status_code, full.get_json()["error"]["code"]) == (409, "QUOTA_USED_UP")
    assert "1 favourites (MAX_FAVOURITES)" in full.get_json()["error"]["message"]
    assert api.patch("/tasks/no-such", json={"title": "x"}).status_code == 404
    for query, name in (("favourite=yes", "favourite"), (f"q={'x' * 201}", "q")):
        assert fields_of(api.get(f"/tasks?{query}").get_json()) == [name]


def test_an_account_edits_and_finds_its_own_tasks_alone(
    open_api: Callable[..., FlaskClient], settings: Settings, done: Callable[..., str], client: redis.Redis
) -> None:
    theirs = done()
    key, _ = Keys(client).create("one", Allowance())
    api, mine = open_api(settings), {"X-API-Key": key}
    assert api.patch(f"/tasks/{theirs}", json={"title": "x"}, headers=mine).status_code == 404
    assert api.patch(f"/tasks/{theirs}", json={"title": "x"}).status_code == 401
    assert api.get("/tasks?q=harp", headers=mine).get_json()["tasks"] == []


def test_the_parts_of_a_favourite_piece_are_kept_with_it(
    api: FlaskClient, store: JobStore, finish: Finish, client: redis.Redis
) -> None:
    asked = {"instruments": {"piano": "calm", "bass": "walking"}, "duration": 2}
    piece = api.post("/tasks/multi-instrument", json=asked).get_json()
    parts = [part["task_id"] for part in piece["parts"]]
    first = finish(claim(store), CLIP)
    early = api.patch(f"/tasks/{first.id}", json={"favourite": True})
    assert (early.status_code, "a part of one that has not ended" in early.text) == (409, True)
    for _ in range(2):
        finish(claim(store), CLIP)
    lifetimes = lambda: [client.ttl(REDIS_KEYS.job(each)) for each in (piece["task_id"], *parts)]  # noqa: E731
    assert min(lifetimes()) > 0
    api.patch(f"/tasks/{piece['task_id']}", json={"favourite": True})
    api.patch(f"/tasks/{first.id}", json={"favourite": True})
    assert lifetimes() == [-1, -1, -1]
    api.patch(f"/tasks/{piece['task_id']}", json={"favourite": False})
    assert sorted(ttl > 0 for ttl in lifetimes()) == [False, True, True], "one part is a favourite of its own"
