"""A failed job runs again as a copy: of its request, its account's, once, and only as what it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import redis

from shared.errors import Conflict, GenerationFailed, NotFound, QueueFull, UnusableAudio
from shared.jobs.acceptance import NewJob, SubmitContext, copy_of
from shared.jobs.blob_references import BlobReferences
from shared.jobs.dead_letters import DeadLetters
from shared.jobs.job import Fingerprint, Job, Result, Status
from shared.jobs.retries import Retries
from shared.jobs.store import JobStore
from shared.jobs.tickets import Ticket
from shared.music.audio_refs import BeginningRef, MelodyRef
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.submitting import submit_job

RESULT = Result("results/x.wav", "audio/wav", 1, "0", 1.0, 32000, 1, 0.5, Fingerprint("d", "e", "fp32", "cpu"))
MELODY = MelodyRef(key="uploads/hum.flac", seconds=3.0, sha256="0")


@pytest.fixture
def retries(store: JobStore) -> Retries:
    return Retries(store, lambda key: True)


@pytest.fixture
def fail(store: JobStore) -> Callable[[], Job]:
    """Let the next job fail until it has failed for good."""

    def fail() -> Job:
        while True:
            job = claim(store)
            if store.fail(job, GenerationFailed("no music")) is Status.FAILED:
                return store.reader.get(job.id)

    return fail


def claim(store: JobStore) -> Job:
    job = store.claim("tiny", "w1")
    assert job is not None
    return job


def die(store: JobStore, client: redis.Redis) -> Job:
    """Let the next job's workers die until it is a dead letter."""
    while True:
        job = claim(store)
        client.zadd("ostinato:leases", {job.id: 1})
        if job.id in store.reap().failed:
            return store.reader.get(job.id)


def test_the_copy_is_the_accounts_with_seed_webhook_and_key_and_the_two_name_each_other(
    store: JobStore,
    client: redis.Redis,
    retries: Retries,
    fail: Callable[[], Job],
    request_for: Callable[..., MusicRequest],
) -> None:
    webhook = json.dumps({"url": "https://example.org"})
    job = Job(
        "first", "tiny", request_for(prompt="calm"), "studio", "v1_audio", webhook=webhook, key_id="k1", batch="b"
    )
    store.accept([NewJob.of(job, None, None)], SubmitContext("studio", "v1_audio", batch_id="b"))
    failed = fail()
    copy = retries.retry("first")
    assert (copy.request, copy.model, copy.attempt) == (failed.request, "tiny", 0)
    assert (copy.account, copy.source, copy.webhook, copy.key_id) == ("studio", "v1_audio", webhook, "k1")
    assert (copy.status, copy.retry_of, copy.batch) == (Status.QUEUED, "first", None)
    again = store.reader.get("first")
    assert (again.status, again.retried_as, again.attempt) == (Status.FAILED, copy.id, failed.attempt)
    store.complete(claim(store), RESULT)
    due = [member.split("|")[:2] for member in client.zrange("ostinato:webhooks:due", 0, -1)]
    assert sorted(due) == sorted([["first", "failed"], [copy.id, "completed"]]), "each is told once"


def test_a_job_runs_again_once_unless_its_copy_fails_too(
    store: JobStore, retries: Retries, fail: Callable[[], Job], request_for: Callable[..., MusicRequest]
) -> None:
    first = submit_job(store, request_for(), "tiny")
    with pytest.raises(Conflict, match="is queued; only a task that has failed"):
        retries.retry(first.id)
    fail()
    copy = retries.retry(first.id)
    with pytest.raises(Conflict, match=f"as {copy.id}, which is queued") as refused:
        retries.retry(first.id)
    assert refused.value.details == {"task_id": first.id, "status": "queued", "retried_as": copy.id}
    fail()
    second = retries.retry(first.id)
    assert store.reader.get(first.id).retried_as == second.id
    store.complete(claim(store), RESULT)
    with pytest.raises(Conflict, match=f"as {second.id}, which is completed"):
        retries.retry(first.id)
    with pytest.raises(Conflict, match="is completed; only a task that has failed"):
        retries.retry(second.id)
    with pytest.raises(NotFound):
        retries.retry("unknown")


def test_of_two_who_ask_at_the_same_moment_one_is_refused(
    store: JobStore, fail: Callable[[], Job], request_for: Callable[..., MusicRequest]
) -> None:
    """Both have read the record before either writes: the script judges, and not the reader."""
    submit_job(store, request_for(), "tiny")
    failed = fail()
    copies = [NewJob.of(replace(copy_of(failed), retry_of=failed.id), None, None) for _ in range(2)]
    store.accept(copies[:1], SubmitContext(failed.account))
    with pytest.raises(Conflict, match=copies[0].job.id):
        store.accept(copies[1:], SubmitContext(failed.account))
    assert store.reader.waiting() == {"tiny": 1}


def test_a_copy_brings_a_ticket_as_the_last_submission_did(
    store: JobStore,
    client: redis.Redis,
    retries: Retries,
    fail: Callable[[], Job],
    request_for: Callable[..., MusicRequest],
) -> None:
    first = submit_job(store, request_for(), "tiny", ticket=Ticket("line", "ticket"))
    fail()
    client.delete("line")
    retries.retry(first.id)
    assert client.lrange("line", 0, -1) == ["ticket"], "no round of the reaper is waited for"


def test_the_copy_counts_in_what_its_account_may_run_at_once_and_in_what_the_line_holds(
    client: redis.Redis, settings: Settings, request_for: Callable[..., MusicRequest], fail: Callable[[], Job]
) -> None:
    store = JobStore(client, settings.model_copy(update={"max_queue_length": 2}))
    retries = Retries(store, lambda key: True)
    first, other = (submit_job(store, request_for(), "tiny", concurrent=1) for _ in range(2))
    for _ in range(2):
        fail()
    submit_job(store, request_for(), "tiny", concurrent=1)
    running = claim(store)
    copy = retries.retry(first.id)
    assert store.claim("tiny", "w2") is None, "parked"
    submit_job(store, request_for(), "tiny", concurrent=1)
    with pytest.raises(QueueFull):
        retries.retry(other.id)
    assert store.reader.get(other.id).retried_as is None, "what was refused has left no trace"
    store.complete(running, RESULT)
    assert claim(store).id == copy.id


def test_a_melody_is_kept_for_the_copy_and_one_that_is_gone_is_named(
    store: JobStore,
    blob_references: BlobReferences,
    fail: Callable[[], Job],
    request_for: Callable[..., MusicRequest],
) -> None:
    first = submit_job(store, request_for(melody=MELODY), "tiny")
    fail()
    with pytest.raises(Conflict, match=f"the melody of task {first.id} is kept no longer") as refused:
        Retries(store, lambda key: key != MELODY.key).retry(first.id)
    assert refused.value.details["gone"] == ["melody"]
    copy = Retries(store, lambda key: True).retry(first.id)
    assert copy.request.melody == MELODY
    assert store.purge(first.id) == (), "the copy needs it"
    assert blob_references.referred([MELODY.key]) == {MELODY.key}


@pytest.mark.parametrize("belongs", [{"part": "drums", "composition_id": "whole"}, {"melody_of": "lead"}])
def test_what_belongs_to_a_piece_does_not_run_again_alone(
    store: JobStore,
    retries: Retries,
    fail: Callable[[], Job],
    request_for: Callable[..., MusicRequest],
    belongs: dict[str, str],
) -> None:
    job = replace(Job("part", "tiny", request_for()), **belongs)
    store.accept([NewJob.of(job, None, None)], SubmitContext("local"))
    fail()
    with pytest.raises(Conflict, match="submit the whole piece again"):
        retries.retry("part")


def test_a_dead_letter_runs_again_as_a_copy_and_leaves_the_list_by_either_way(
    store: JobStore, client: redis.Redis, retries: Retries, request_for: Callable[..., MusicRequest]
) -> None:
    letters = DeadLetters(client, store.reader, retries)
    jobs = list[Job]()
    for seed in (1, 2, 3):
        submit_job(store, request_for(seed=seed), "tiny")
        jobs.append(die(store, client))
    assert ids(letters) == [job.id for job in reversed(jobs)]
    again = letters.requeue(jobs[0].id)
    assert (again.seed, again.status, store.reader.snapshot(again.id).position) == (1, Status.QUEUED, 0)
    assert store.reader.get(jobs[0].id).status is Status.FAILED
    retries.retry(jobs[1].id)
    assert ids(letters) == [jobs[2].id]
    letters.drop(jobs[2].id)
    assert ids(letters) == []
    for settle in (letters.drop, letters.requeue):
        with pytest.raises(NotFound):
            settle(jobs[2].id)


def ids(letters: DeadLetters) -> Sequence[str]:
    return [letter.job.id for letter in letters.list()]


def test_what_went_on_from_a_task_keeps_its_audio_when_it_runs_again(
    blob_references: BlobReferences, store: JobStore, retries: Retries, request_for: Callable[..., MusicRequest]
) -> None:
    first = submit_job(store, request_for(), "tiny")
    early = BeginningRef(key="", seconds=1.0, sha256="", task=first.id)
    second = submit_job(store, request_for(continue_from=early), "tiny", after=[first.id])
    store.complete(claim(store), RESULT)
    while store.fail(claim(store), UnusableAudio("not to be heard")) is not Status.FAILED:
        pass
    with pytest.raises(Conflict, match="the beginning of task"):
        Retries(store, lambda key: False).retry(second.id)
    again = retries.retry(second.id)
    for job_id in (first.id, second.id):
        assert store.purge(job_id) == ()
    assert blob_references.referred([RESULT.key]) == {RESULT.key}
    assert store.reader.snapshot(again.id).position == 0
