"""What ends with a disabled key: its links and its waiting jobs. Its open streams: streaming/test_revocation.py."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import redis
from flask.testing import FlaskClient

from api.auth import authenticate
from api.auth.keys import Allowance, Keys
from api.auth.keys_command import main
from shared.accounts.key_states import Grant, KeyStates
from shared.accounts.signed_urls import Signer
from shared.jobs.job import Fingerprint, Job, Result, Status
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.submitting import submit_job

Opener = Callable[..., FlaskClient]
Finish = Callable[[Job, bytes], Job]
MADE_BY = Fingerprint("digest", "engine-1", "fp32", "cpu")


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(model_aliases={"small": "tiny"})


@pytest.fixture
def keys(client: redis.Redis) -> Keys:
    return Keys(client)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def asked(api: FlaskClient, path: str, key: str) -> dict[str, Any]:
    told: dict[str, Any] = api.get(path, headers=bearer(key)).get_json()
    return told


def submitted(api: FlaskClient, key: str, path: str = "/tasks", **fields: Any) -> str:
    answer = api.post(path, json={"prompt": "x", "duration": 1} | fields, headers=bearer(key))
    assert answer.status_code in (200, 202), answer.text
    return str(answer.get_json().get("task_id", answer.get_json().get("batch_id")))


def query_of(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


# links


def test_the_links_of_a_disabled_key_end_at_once_and_those_of_its_accounts_other_key_live_on(
    api: FlaskClient, keys: Keys, store: JobStore, finish: Finish
) -> None:
    (mine, record), (other, _) = (keys.create(name, Allowance(), "team") for name in "ab")
    waiting = asked(api, f"/tasks/{submitted(api, mine, stream=True)}", mine)
    links = [waiting["events_url"], waiting["stream_url"]]
    job = store.claim("tiny", "w1")
    assert job is not None
    finish(job, b"RIFF")
    path = f"/tasks/{job.id}"
    links.append(asked(api, path, mine)["audio_url"])
    theirs = asked(api, path, other)["audio_url"]
    ticket = api.post("/tickets", json={}, headers=bearer(mine)).get_json()["url"]
    assert [api.get(link).status_code for link in links] == [200, 200, 200]
    keys.disable(record.id)
    for link in (*links, ticket):
        refused = api.get(link)
        assert refused.status_code == 401, link
        assert "made with is disabled" in refused.get_json()["error"]["message"], link
    assert api.get(theirs).status_code == 200
    assert api.get(links[2], headers=bearer(other)).status_code == 200, "a good key beside it will do"


def test_a_link_of_an_older_version_lives_as_long_as_its_account_has_a_key(
    api: FlaskClient, keys: Keys, store: JobStore, finish: Finish, client: redis.Redis
) -> None:
    (mine, first), (_, second) = (keys.create(name, Allowance(), "team") for name in "ab")
    submitted(api, mine)
    job = store.claim("tiny", "w1")
    assert job is not None
    finish(job, b"RIFF")
    link = Signer(client, 60).sign(f"/tasks/{job.id}/audio", Grant("team"))
    keys.disable(first.id)
    assert api.get(link).status_code == 200
    keys.disable(second.id)
    assert api.get(link).status_code == 401


@pytest.mark.parametrize(
    "path", ["/tasks/x/audio", "/tasks/x/events", "/tasks/x/stream", "/audio/x.wav", "/files/x.wav"]
)
def test_an_expired_link_says_so_and_a_forged_one_does_not(
    api: FlaskClient, keys: Keys, client: redis.Redis, path: str
) -> None:
    _, record = keys.create("one", Allowance())
    link = Signer(client, -2).sign(path, Grant(record.account, record.id))
    expired = api.get(link)
    assert expired.status_code == 401
    assert "this link has expired" in expired.text
    forged = api.get(f"{path}?{urlencode(query_of(link) | {'expires': str(int(time.time()) + 60)})}")
    assert forged.status_code == 401
    assert "expired" not in forged.text
    if path.startswith(("/tasks", "/files")):
        assert "signature of this link does not fit" in forged.text


def test_a_linked_request_signs_no_link_that_outlives_its_own(
    api: FlaskClient, keys: Keys, store: JobStore, finish: Finish, client: redis.Redis
) -> None:
    key, record = keys.create("one", Allowance())
    submitted(api, key)
    job = store.claim("tiny", "w1")
    assert job is not None
    finish(job, b"RIFF")
    link = Signer(client, 100).sign(f"/tasks/{job.id}/events", Grant(record.account, record.id))
    told = api.get(link).text.rpartition("data: ")[2]
    audio = query_of(json.loads(told)["audio_url"])
    assert audio["expires"] == query_of(link)["expires"]
    assert int(query_of(asked(api, f"/tasks/{job.id}", key)["audio_url"])["expires"]) > int(audio["expires"])


@pytest.mark.parametrize("wanted", [{"return_type": "base64"}, {}])
def test_a_call_that_waits_while_its_key_is_disabled_gets_no_audio(
    api: FlaskClient,
    keys: Keys,
    store: JobStore,
    finish: Finish,
    monkeypatch: pytest.MonkeyPatch,
    wanted: Mapping[str, str],
) -> None:
    monkeypatch.setattr(authenticate, "CHECKED_FOR_S", 0.0)
    key, record = keys.create("one", Allowance())
    visitor = api.application.test_client()
    body = {"prompt": "x", "duration": 1, "model_size": "small"} | wanted
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(visitor.post, "/generate", json=body, headers=bearer(key))
        job = None
        while job is None and not answer.done():
            job = store.claim("tiny", "w1")
        assert job is not None, answer.result().text
        keys.disable(record.id)
        finish(job, b"RIFF")
        assert answer.result().status_code == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"prompt": "x", "model_size": "small"}),
        ("/generate/", {"text": "x"}),
        ("/v1/audio/music", {"description": "x"}),
        ("/v2/tiny/runsync", {"input": {"prompt": "x"}}),
    ],
)
@pytest.mark.parametrize("cancelled", [True, False])
def test_a_call_that_waits_ends_with_its_key_whatever_becomes_of_its_job(
    open_api: Opener, settings: Settings, keys: Keys, store: JobStore, path: str, body: Any, cancelled: bool
) -> None:
    """It waits for minutes otherwise, and a cancelled job would be told as a failure of the service."""
    api = open_api(settings.model_copy(update={"key_check_s": 0.1, "default_model": "tiny"}))
    key, record = keys.create("one", Allowance())
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api.post, path, json=body, headers=bearer(key))
        while not (made := store.reader.recent(record.account, limit=1)) and not answer.done():
            time.sleep(0.01)
        keys.disable(record.id)
        if cancelled:
            store.cancel(made[0].id)
        refused = answer.result(timeout=10)
    assert refused.status_code == 401, refused.text
    assert cancelled or store.reader.get(made[0].id).status is Status.QUEUED, "its job goes on unless it is cancelled"


def test_a_call_that_waits_takes_no_place_of_a_stream(
    open_api: Opener, settings: Settings, keys: Keys, store: JobStore
) -> None:
    api = open_api(settings.model_copy(update={"max_open_streams": 1, "default_model": "tiny"}))
    key, record = keys.create("one", Allowance())
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api.post, "/generate", json={"prompt": "x", "model_size": "small"}, headers=bearer(key))
        while not (made := store.reader.recent(record.account, limit=1)) and not answer.done():
            time.sleep(0.01)
        with api.application.test_client().get(f"/tasks/{made[0].id}/events", headers=bearer(key)) as events:
            assert events.status_code == 200
        store.cancel(made[0].id)
        assert answer.result(timeout=10).status_code == 500


# what nobody can take back: the store's own links


def seconds_of(answer: Mapping[str, Any]) -> int:
    return int(query_of(answer["audio_url"])["X-Amz-Expires"])


@pytest.mark.parametrize(("ttl_s", "without_keys", "with_keys"), [(None, 3600, 900), (7200, 7200, 7200), (60, 60, 60)])
def test_presigned_links_live_a_quarter_of_an_hour_once_keys_exist_unless_told_otherwise(
    open_api: Opener,
    make_settings: Callable[..., Settings],
    keys: Keys,
    store: JobStore,
    client: redis.Redis,
    ttl_s: int | None,
    without_keys: int,
    with_keys: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.auth.keys.SNAPSHOT_AGE_S", 0.1)
    s3 = {"s3_bucket_name": "b", "s3_endpoint_url": "http://127.0.0.1:1", "s3_access_key": "a", "s3_secret_key": "s"}
    api = open_api(make_settings(s3_url_ttl_s=ttl_s, result_cache=False, **s3))
    mine = api.post("/tasks", json={"prompt": "x"}).get_json()["task_id"]
    complete(store)
    assert seconds_of(api.get(f"/tasks/{mine}").get_json()) == without_keys
    key, record = keys.create("one", Allowance())
    time.sleep(0.2)  # at most half so long the API believes that there is none
    task = submitted(api, key)
    complete(store)
    assert seconds_of(asked(api, f"/tasks/{task}", key)) == with_keys
    link = Signer(client, 50).sign(f"/tasks/{task}/events", Grant(record.account, record.id))
    told = json.loads(api.get(link).text.rpartition("data: ")[2])
    assert 0 < seconds_of(told) <= 50, "no longer than the link that led to it"


def complete(store: JobStore) -> None:
    job = store.claim("tiny", "w1")
    assert job is not None
    store.complete(job, Result(f"results/{job.id}/1.wav", "audio/wav", 9, "abc", 1.0, 32000, 1, 0.5, MADE_BY))


# jobs


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[..., int]:
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    return lambda *words: main(list(words))


def statuses(store: JobStore, *jobs: str) -> list[Status]:
    return [store.reader.get(job).status for job in jobs]


def test_the_waiting_jobs_of_a_disabled_key_are_cancelled_on_demand_and_no_others(
    api: FlaskClient,
    keys: Keys,
    store: JobStore,
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a bound of one, most wait aside; a composition's parts and a batch's jobs wait like any other."""
    (mine, record), (other, _) = (keys.create(name, Allowance(concurrent=1), "team") for name in "ab")
    running = submitted(api, mine)
    assert store.claim("tiny", "w1") is not None
    plain = [submitted(api, mine, prompt=f"x{n}") for n in range(3)]
    batch = asked(api, f"/tasks/batch/{submitted(api, mine, variations=2)}", mine)
    members = [task["task_id"] for task in batch["tasks"]]
    mix = api.post("/tasks/multi-instrument", json={"instruments": {"a": "piano", "b": "bass"}}, headers=bearer(mine))
    whole = mix.get_json()["task_id"]
    composition = store.reader.get(whole).composition
    assert composition is not None
    parts = [part.task_id for part in composition.parts]
    after = submitted(api, mine, continue_from=running, duration=3)
    theirs = submitted(api, other, prompt="y")
    assert command("disable", record.id) == 0
    assert set(statuses(store, *plain, *members, whole, *parts, after)) == {Status.QUEUED}, "not without being asked"
    assert command("disable", record.id, "--cancel-jobs") == 0
    assert capsys.readouterr().out.endswith(f"{len(plain) + len(members) + 2} waiting jobs are cancelled\n")
    assert set(statuses(store, *plain, *members, whole, *parts, after)) == {Status.CANCELLED}
    assert statuses(store, running, theirs) == [Status.RUNNING, Status.QUEUED]
    assert command("disable", record.id, "--cancel-jobs") == 0
    assert capsys.readouterr().out.endswith("0 waiting jobs are cancelled\n")


def test_jobs_of_an_older_version_go_with_the_last_key_of_their_account(
    keys: Keys, store: JobStore, request_for: Callable[..., Any], command: Callable[..., int]
) -> None:
    (_, first), (_, second) = (keys.create(name, Allowance(), "team") for name in "ab")
    job = submit_job(store, request_for(), "tiny", account="team", source="tasks")
    assert command("disable", first.id, "--cancel-jobs") == 0
    assert store.reader.get(job.id).status is Status.QUEUED
    assert command("disable", second.id, "--cancel-jobs") == 0
    assert store.reader.get(job.id).status is Status.CANCELLED


def test_every_way_to_submit_notes_the_key(
    api: FlaskClient, keys: Keys, store: JobStore, command: Callable[..., int]
) -> None:
    key, record = keys.create("one", Allowance(concurrent=None))
    for path, body in (
        ("/tasks", {"prompt": "x"}),
        ("/tasks/batch", {"requests": [{"prompt": "x"}]}),
        ("/generate-async", {"prompt": "x", "model_size": "tiny"}),
        ("/api/v1/generate", {"prompt": "x"}),
        ("/api/v1/generate/batch", {"requests": [{"prompt": "x"}]}),
        ("/v2/tiny/run", {"input": {"prompt": "x"}}),
    ):
        answer = api.post(path, json=body, headers=bearer(key))
        assert answer.status_code in (200, 202, 400), answer.text
    ended = next(iter(store.reader.recent(record.account, limit=1)))
    store.cancel(ended.id)
    assert api.post(f"/v2/tiny/retry/{ended.id}", headers=bearer(key)).status_code == 200
    made = store.reader.recent(record.account, limit=50)
    assert len(made) >= 6
    assert {job.key_id for job in made} == {record.id}


# the states themselves


def test_a_key_is_good_for_its_account_alone_and_keys_of_the_environment_are_known_where_they_are_set(
    client: redis.Redis,
) -> None:
    keys = Keys(client, ("first-secret",))
    static = keys.find("first-secret")
    assert static is not None
    _, record = keys.create("one", Allowance(), "team")
    named, forged = Grant(static.account, static.id), Grant("static-000000000000", "static-00000000")
    good = {Grant("team", record.id), Grant("team"), named, Grant(static.account)}
    bad = {Grant("other", record.id), Grant("team", "0123456789ab"), Grant("team", static.id), Grant("local"), forged}
    assert keys.states.living(good | bad) == good
    assert KeyStates(client).living(good | bad) == good | {Grant("team", static.id), forged}
    keys.disable(record.id)
    assert keys.states.living(good) == {named, Grant(static.account)}
