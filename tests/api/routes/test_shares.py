"""Links that share a task: made, listed, withdrawn; the page and the audio that they open without a key."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from shared.broker.keys import REDIS_KEYS
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.routes.test_batches import fields_of
from tests.api.routes.test_keeping import CLIP, Finish
from tests.shared.steps import claim

DAY_S = 24 * 3600


@pytest.fixture
def keys(client: redis.Redis) -> Keys:
    return Keys(client)


@pytest.fixture
def done(api: FlaskClient, store: JobStore, finish: Finish) -> Callable[..., Job]:
    def done(headers: dict[str, str] | None = None, **fields: str) -> Job:
        api.post("/tasks", json={"prompt": "slow harp", "duration": 2} | fields, headers=headers)
        return finish(claim(store), CLIP)

    return done


def share(api: FlaskClient, job: Job, headers: dict[str, str] | None = None, lifetime_s: int = DAY_S) -> dict[str, str]:
    answer = api.post(f"/tasks/{job.id}/share", json={"expires_in_s": lifetime_s}, headers=headers)
    assert answer.status_code == 201, answer.text
    shared: dict[str, str] = answer.get_json()
    return shared


def page_of(shared: dict[str, str]) -> str:
    address = urlsplit(shared["url"])
    return f"{address.path}?{address.query}"


def audio_of(shared: dict[str, str]) -> str:
    return page_of(shared).replace("/shared?", "/shared/audio?")


def test_a_link_opens_a_page_with_a_player_and_its_audio_in_ranges(api: FlaskClient, done: Callable[..., Job]) -> None:
    shared = share(api, done(title="Night <b>"))
    page = api.get(page_of(shared))
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "Night &lt;b&gt;</h1>" in page.text
    (address,) = re.findall(r'<audio controls preload="metadata" src="([^"]+)">', page.text)
    assert f"/{address}" == audio_of(shared)
    assert "<script" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; media-src 'self'; style-src 'sha256-")
    assert "unsafe" not in policy
    headers = ("Cache-Control", "Referrer-Policy", "X-Robots-Tag")
    assert [page.headers[name] for name in headers] == ["no-store", "no-referrer", "noindex"]
    whole = api.get(audio_of(shared))
    assert (whole.data, whole.headers["Cache-Control"]) == (CLIP, "private, no-cache")
    part = api.get(audio_of(shared), headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.data) == (206, CLIP[:100])


def test_links_are_listed_with_their_ends_and_withdrawn_one_by_one(api: FlaskClient, done: Callable[..., Job]) -> None:
    job = done()
    short, long = share(api, job, lifetime_s=3600), share(api, job, lifetime_s=30 * DAY_S)
    usual = api.post(f"/tasks/{job.id}/share", json={}).get_json()
    assert usual["expires_at"] - usual["created_at"] == 7 * DAY_S
    assert api.get(f"/tasks/{job.id}/share").get_json() == {"task_id": job.id, "shares": [long, usual, short]}
    gone = api.delete(f"/tasks/{job.id}/share/{long['share_id']}")
    assert gone.get_json() == {"share_id": long["share_id"], "withdrawn": True}
    assert api.delete(f"/tasks/{job.id}/share/{long['share_id']}").status_code == 404
    assert [api.get(page_of(each)).status_code for each in (short, long, usual)] == [200, 410, 200]
    assert "has run out, or was withdrawn; ask whoever sent it for a new one.</p>" in api.get(page_of(long)).text
    assert api.get(audio_of(long)).get_json()["error"]["code"] == "LINK_GONE"
    api.delete(f"/tasks/{job.id}?purge=1")
    assert api.get(page_of(short)).status_code == 410


def test_a_link_that_has_run_out_is_gone_and_one_that_was_never_made_is_unknown(
    api: FlaskClient, done: Callable[..., Job], client: redis.Redis
) -> None:
    job = done()
    shared, other = share(api, job), share(api, job)
    client.delete(REDIS_KEYS.share(shared["share_id"]))  # as Redis does when its time is over
    assert (api.get(page_of(shared)).status_code, api.get(audio_of(shared)).status_code) == (410, 410)
    token = page_of(other).partition("token=")[2]
    forged = (token[:-1] + ("0" if token[-1] != "0" else "1"), f"{other['share_id']}-", other["share_id"], "", "ü", "-")
    for bad in forged:
        page, audio = api.get(f"/shared?token={bad}"), api.get(f"/shared/audio?token={bad}")
        assert (page.status_code, audio.status_code) == (404, 404)
        assert "There is no such link; ask whoever sent it for the whole address.</p>" in page.text
    tokens = {page_of(share(api, job)).partition("token=")[2] for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(each) >= 80 for each in tokens)


def test_bytes_count_for_whoever_shares_and_the_link_ends_with_the_key(
    api: FlaskClient, done: Callable[..., Job], keys: Keys
) -> None:
    key, record = keys.create("one", Allowance(monthly_bytes=2 * len(CLIP)))
    second, _ = keys.create("two", Allowance(monthly_bytes=2 * len(CLIP)), record.account)
    mine, also_mine = {"X-API-Key": key}, {"X-API-Key": second}
    job = done(headers=mine)
    shared, others = share(api, job, mine), share(api, job, also_mine)
    assert api.get(page_of(shared)).status_code == 200
    assert api.get("/usage", headers=mine).get_json()["bandwidth"]["used"] == 0
    for used in (1, 2):
        assert api.get(audio_of(shared)).data == CLIP
        assert api.get("/usage", headers=mine).get_json()["bandwidth"]["used"] == used * len(CLIP)
    assert api.get(audio_of(shared)).status_code == 429
    stranger, _ = keys.create("three", Allowance())
    for path in (f"/tasks/{job.id}/share", f"/tasks/{job.id}/share/{shared['share_id']}"):
        assert api.delete(path, headers={"X-API-Key": stranger}).status_code in (404, 405)
    keys.disable(record.id)
    assert [api.get(page_of(each)).status_code for each in (shared, others)] == [410, 200]
    assert api.get(audio_of(shared)).status_code == 410


def test_a_link_made_while_no_key_existed_ends_with_the_first_key(
    make_settings: Callable[..., Settings], open_api: Callable[..., FlaskClient], done: Callable[..., Job], keys: Keys
) -> None:
    api = open_api(make_settings())
    shared = share(api, done())
    assert api.get(page_of(shared)).status_code == 200
    keys.create("one", Allowance())
    again = open_api(make_settings())
    assert again.get(page_of(shared)).status_code == 410
    keys.create("heir", Allowance(), "local")
    assert again.get(page_of(shared)).status_code == 200, "another key took the account over"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"expires_in_s": 3599}, "greater than or equal to 3600"),
        ({"expires_in_s": 30 * DAY_S + 1}, "less than or equal to 2592000"),
        ({"expires_in_s": "soon"}, "valid integer"),
        ({"expires_in_s": True}, "must be a number"),
        ({"until": 1}, "unknown field; leave it out. Known: expires_in_s"),
    ],
)
def test_a_lifetime_outside_of_its_bounds_is_refused_with_them(
    api: FlaskClient, done: Callable[..., Job], body: dict[str, object], words: str
) -> None:
    answer = api.post(f"/tasks/{done().id}/share", json=body)
    assert (answer.status_code, fields_of(answer.get_json())) == (400, list(body)), answer.text
    assert words in answer.get_json()["error"]["message"]


def test_a_task_without_audio_is_not_shared_and_a_full_account_is_told_the_setting(
    make_settings: Callable[..., Settings], open_api: Callable[..., FlaskClient], done: Callable[..., Job]
) -> None:
    api = open_api(make_settings(max_shares=1))
    job = done()
    share(api, job)
    full = api.post(f"/tasks/{job.id}/share", json={})
    assert (full.status_code, full.get_json()["error"]["code"]) == (409, "QUOTA_USED_UP")
    waits = api.post("/tasks", json={"prompt": "x"}).get_json()["task_id"]
    assert api.post(f"/tasks/{waits}/share", json={}).status_code == 409
    assert api.post("/tasks/no-such/share", json={}).status_code == 404


def test_on_an_open_address_without_keys_a_link_opens_nothing(
    make_settings: Callable[..., Settings], open_api: Callable[..., FlaskClient], done: Callable[..., Job]
) -> None:
    api = open_api(make_settings())
    shared = share(api, done())
    answer = api.get(page_of(shared), environ_overrides={"SERVER_NAME": "0.0.0.0"})
    assert (answer.status_code, "has no API key yet" in answer.text) == (401, True)
