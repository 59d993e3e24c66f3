"""A favourite is kept until it is unmarked, a shared task as long as its link, any other for RESULT_TTL_S."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis

from shared.broker.keys import REDIS_KEYS
from shared.errors import Conflict, NotFound, QuotaUsedUp
from shared.jobs.blob_references import BlobReferences
from shared.jobs.job import Job
from shared.jobs.kept_tasks import KeptTasks
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.shared.steps import claim, result_for
from tests.submitting import submit_job

TTL_S = 60
HOUR_S = 3600


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(result_ttl_s=TTL_S, max_favourites=2, max_shares=2)


@pytest.fixture
def kept_tasks(client: redis.Redis, settings: Settings) -> KeptTasks:
    return KeptTasks(client, settings)


@pytest.fixture
def done(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    """A completed task."""

    def done(account: str = "local", **fields: object) -> Job:
        submit_job(store, request_for(**fields), "tiny", account=account, source="tasks")
        job = claim(store)
        store.complete(job, result_for(job))
        return store.reader.get(job.id)

    return done


class Lifetimes:
    """Read for how many seconds a task's record, events and files are kept; None for good."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def of(self, job: Job) -> list[int | None]:
        assert job.result is not None
        keys = [REDIS_KEYS.job(job.id), REDIS_KEYS.events(job.id)]
        kept: list[int | None] = [None if (ttl := self._client.ttl(key)) == -1 else int(ttl) for key in keys]
        for blob in (job.result.key, job.result.codes_key):
            until_ms = self._client.zscore(REDIS_KEYS.blob_refs(blob), job.id)
            kept.append(None if until_ms == float("inf") else round(until_ms / 1000 - time.time()))
        return kept


@pytest.fixture
def lifetimes(client: redis.Redis) -> Lifetimes:
    return Lifetimes(client)


def test_a_favourite_is_kept_for_good_and_one_that_is_unmarked_from_then_on_as_usual(
    kept_tasks: KeptTasks, done: Callable[..., Job], lifetimes: Lifetimes, store: JobStore
) -> None:
    job = done()
    assert lifetimes.of(job) == pytest.approx([TTL_S] * 4, abs=2)
    kept_tasks.edit(job, favourite=True)
    kept_tasks.edit(job, favourite=True)
    assert lifetimes.of(job) == [None] * 4
    assert store.reader.get(job.id).favourite
    assert [each.id for each in store.reader.recent("local", limit=9, favourites=True)] == [job.id]
    kept_tasks.edit(job, favourite=False)
    assert lifetimes.of(job) == pytest.approx([TTL_S] * 4, abs=2)
    assert (store.reader.get(job.id).favourite, store.reader.count("local", favourites=True)) == (False, 0)


def test_an_account_has_so_many_favourites_of_which_those_that_are_gone_do_not_count(
    kept_tasks: KeptTasks, done: Callable[..., Job], store: JobStore, client: redis.Redis
) -> None:
    jobs = [done() for _ in range(3)]
    for job in jobs[:2]:
        kept_tasks.edit(job, favourite=True)
    with pytest.raises(QuotaUsedUp, match=r"2 favourites \(MAX_FAVOURITES\) are all .*; unmark another"):
        kept_tasks.edit(jobs[2], favourite=True)
    kept_tasks.edit(done(account="other"), favourite=True)
    client.delete(REDIS_KEYS.job(jobs[0].id))  # by a version that knew no favourites
    kept_tasks.edit(jobs[2], favourite=True)
    store.purge(jobs[1].id)
    assert [each.id for each in store.reader.recent("local", limit=9, favourites=True)] == [jobs[2].id]


def test_only_a_task_with_audio_is_a_favourite_or_shared_but_any_has_a_title(
    kept_tasks: KeptTasks, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    job = submit_job(store, request_for(title="Night"), "tiny", account="local", source="tasks")
    with pytest.raises(Conflict, match="is queued; only a completed one can be a favourite"):
        kept_tasks.edit(job, favourite=True, title="Day")
    assert store.reader.get(job.id).title == "Night", "both or none"
    with pytest.raises(Conflict, match="is queued; only a completed one can be shared"):
        kept_tasks.share(job.id, "s", HOUR_S, None)
    kept_tasks.edit(job, title="Day")
    assert claim(store).title == "Day"
    kept_tasks.edit(job, title="")
    assert store.reader.get(job.id).title is None
    store.cancel(job.id)
    store.purge(job.id)
    with pytest.raises(NotFound):
        kept_tasks.edit(job, title="x")


def test_what_a_link_shares_is_kept_as_long_as_the_link(
    kept_tasks: KeptTasks, done: Callable[..., Job], lifetimes: Lifetimes, client: redis.Redis
) -> None:
    job = done()
    long, short = kept_tasks.share(job.id, "a", 2 * HOUR_S, "key"), kept_tasks.share(job.id, "b", HOUR_S, None)
    assert kept_tasks.shares(job.id) == [long, short]
    assert (long.grant.key_id, short.grant.key_id, long.task_id) == ("key", None, job.id)
    assert lifetimes.of(job) == pytest.approx([2 * HOUR_S] * 4, abs=2)
    assert client.ttl(REDIS_KEYS.share("b")) == pytest.approx(HOUR_S, abs=2)
    with pytest.raises(QuotaUsedUp, match=r"2 links \(MAX_SHARES\)"):
        kept_tasks.share(done().id, "c", HOUR_S, None)
    kept_tasks.edit(job, favourite=True)
    kept_tasks.edit(job, favourite=False)
    assert lifetimes.of(job) == pytest.approx([2 * HOUR_S] * 4, abs=2)
    kept_tasks.withdraw(job.id, "a")
    with pytest.raises(NotFound, match="withdrawn"):
        kept_tasks.withdraw(job.id, "a")
    with pytest.raises(NotFound):
        kept_tasks.withdraw(done().id, "b")
    assert [each.id for each in kept_tasks.shares(job.id)] == ["b"]
    kept_tasks.share(job.id, "c", HOUR_S, None)
    assert lifetimes.of(job) == pytest.approx([2 * HOUR_S] * 4, abs=2), "never shorter than it was"


def test_a_purge_takes_favourites_and_links_along(
    kept_tasks: KeptTasks,
    done: Callable[..., Job],
    store: JobStore,
    client: redis.Redis,
    blob_references: BlobReferences,
) -> None:
    job = done()
    assert job.result is not None
    kept_tasks.edit(job, favourite=True)
    kept_tasks.share(job.id, "a", HOUR_S, None)
    assert blob_references.referred([job.result.key])
    assert store.purge(job.id) == (job.result.key, job.result.codes_key)
    left = {str(key) for key in client.keys("*")}
    assert not [key for key in left if job.id in key or "share" in key or "favourites" in key]


def test_a_search_looks_at_the_newest_tasks_in_turns_and_at_the_titles_of_now(
    kept_tasks: KeptTasks, done: Callable[..., Job], client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.kept_tasks.SEARCHED_AT_ONCE", 2)
    jobs = [done(prompt=f"slow harp, number {number}") for number in range(5)]
    kept_tasks.edit(jobs[1], title="Rêverie")
    search = kept_tasks.search
    assert search("local", ("harp",), favourites=False).ids == [job.id for job in reversed(jobs)]
    assert search("local", ("reverie", "harp"), favourites=False).ids == [jobs[1].id]
    assert search("local", ("%d",), favourites=False).ids == [], "no pattern"
    kept_tasks.edit(jobs[1], title="")
    kept_tasks.edit(jobs[3], favourite=True)
    assert search("local", ("reverie",), favourites=False).ids == []
    assert search("local", ("harp",), favourites=True).ids == [jobs[3].id]
    assert search("other", ("harp",), favourites=False).searched == 0
    monkeypatch.setattr("shared.jobs.kept_tasks.SEARCHED_AT_MOST", 4)
    bounded = search("local", ("harp",), favourites=False)
    assert (bounded.searched, len(bounded.ids)) == (4, 4)


def test_a_task_that_arrives_during_a_search_makes_no_other_be_found_twice(
    kept_tasks: KeptTasks, done: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.kept_tasks.SEARCHED_AT_ONCE", 2)
    jobs = [done(prompt="slow harp") for _ in range(4)]
    run = kept_tasks._run

    def run_beside_others(name: str, *arguments: object) -> object:
        reply = run(name, *arguments)
        done(prompt="slow harp")
        return reply

    monkeypatch.setattr(kept_tasks, "_run", run_beside_others)
    monkeypatch.setattr("shared.jobs.kept_tasks.SEARCHED_AT_MOST", 8)
    assert kept_tasks.search("local", ("harp",), favourites=False).ids == [job.id for job in reversed(jobs)]
