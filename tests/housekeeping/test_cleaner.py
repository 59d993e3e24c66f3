"""Blobs outlive nothing but their lifetime and their records, in both kinds of store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from housekeeping.cleaner import Cleaned, Cleaner
from shared.broker.counters import Counters
from shared.broker.leader_lock import LeaderLock
from shared.errors import StorageUnavailable
from shared.jobs.job import Job, Result, new_id
from shared.jobs.store import JobStore
from shared.music.audio_refs import MelodyRef
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import LocalStorage, Storage
from tests.housekeeping.conftest import Clock, make_cleaner
from tests.shared.steps import MADE_BY
from tests.stored import stored_files
from tests.submitting import submit_job

TWO_HOURS_S = 7200.0


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Records live for a second, blobs for an hour."""
    return make_settings().model_copy(update={"result_ttl_s": 1, "upload_ttl_s": 60})


def put(storage: Storage, *keys: str) -> None:
    for key in keys:
        storage.put(key, b"sound", "audio/wav")


def run_one(store: JobStore, job: Job, storage: Storage) -> str:
    """Play the worker; returns the result's key."""
    claimed = store.claim("tiny", "w1")
    assert claimed is not None
    key = storage.names.result(job.id, claimed.attempt, "wav")
    put(storage, key)
    store.complete(claimed, Result(key, "audio/wav", 5, "abc", 2.0, 32000, 1, 0.7, MADE_BY))
    return key


def test_orphans_go_when_they_are_old_and_what_is_none_of_its_business_stays(
    cleaner: Cleaner, storage: Storage, client: redis.Redis, clock: Clock
) -> None:
    names = storage.names
    put(storage, names.result(new_id(), 1, "wav"), f"{names.upload_folder(new_id())}/melody.flac", "elsewhere/a.wav")
    assert cleaner.clean_once() == Cleaned(seen=2)
    clock.ahead_s = TWO_HOURS_S
    assert cleaner.clean_once() == Cleaned(seen=2, deleted=2, bytes=10)
    assert storage.exists("elsewhere/a.wav")
    assert Counters(client).read()["cleaned", "blobs"] == 2


def test_a_queued_jobs_upload_and_a_living_records_result_stay_however_old(
    cleaner: Cleaner,
    storage: Storage,
    client: redis.Redis,
    settings: Settings,
    clock: Clock,
    request_for: Callable[..., MusicRequest],
) -> None:
    patient = JobStore(client, settings.model_copy(update={"result_ttl_s": 60}))
    sung = submit_job(patient, request_for(), "tiny", account="local", source="tasks")
    result = run_one(patient, sung, storage)
    melody = MelodyRef(key=f"{storage.names.upload_folder(new_id())}/melody.flac", seconds=1.0, sha256="abc")
    put(storage, melody.key)
    submit_job(patient, request_for(melody=melody), "tiny", account="local", source="tasks")
    clock.ahead_s = TWO_HOURS_S
    assert cleaner.clean_once().deleted == 0
    assert storage.exists(result)
    assert storage.exists(melody.key)


def test_a_result_goes_with_the_last_record_that_refers_to_it(
    store: JobStore,
    client: redis.Redis,
    settings: Settings,
    clock: Clock,
    tmp_path: Path,
    request_for: Callable[..., MusicRequest],
) -> None:
    """Two equal requests share one result; the second one's record lives longer."""
    storage = LocalStorage(tmp_path / "audio", retry_s=0.0)
    cleaner = make_cleaner(client, settings, storage, clock)

    def keeper(result_ttl_s: int) -> JobStore:
        return JobStore(client, settings.model_copy(update={"result_ttl_s": result_ttl_s}))

    def ask(keeper: JobStore) -> Job:
        return submit_job(keeper, request_for(seed=1), "tiny", account="local", source="tasks", fingerprint=MADE_BY)

    key = run_one(keeper(3600), first := ask(keeper(3600)), storage)
    second = ask(keeper(7200))
    assert second.result is not None
    assert (second.id != first.id, second.result.key) == (True, key)
    referred = f"ostinato:refs:{key}"  # until when by whom
    first_until, second_until = (client.zscore(referred, job.id) for job in (first, second))
    assert first_until is not None
    assert second_until == pytest.approx(first_until + 3_600_000, abs=60_000)
    clock.ahead_s = TWO_HOURS_S
    client.zadd(referred, {first.id: 1})  # its time is over
    assert cleaner.clean_once().deleted == 0
    client.zadd(referred, {second.id: 1})
    assert cleaner.clean_once().deleted == 1
    assert not storage.exists(key)


def test_two_cleaners_take_turns(cleaner: Cleaner, storage: Storage, client: redis.Redis, clock: Clock) -> None:
    put(storage, storage.names.result(new_id(), 1, "wav"))
    clock.ahead_s = TWO_HOURS_S
    assert LeaderLock(client, "ostinato:cleaner", ttl_s=60).leads()
    assert cleaner.clean_once() == Cleaned()
    client.delete("ostinato:cleaner")
    assert cleaner.clean_once().deleted == 1


def test_a_store_that_is_away_loses_nothing_and_the_next_round_does_the_work(
    client: redis.Redis, settings: Settings, store: JobStore, clock: Clock, tmp_path: Path
) -> None:
    storage = LocalStorage(tmp_path / "audio", retry_s=0.0)
    cleaner = make_cleaner(client, settings, storage, clock)
    put(storage, storage.names.result(new_id(), 1, "wav"))
    clock.ahead_s = TWO_HOURS_S
    (tmp_path / "audio").rename(tmp_path / "unplugged")
    (tmp_path / "audio").write_text("no folder")
    with pytest.raises(StorageUnavailable):
        storage.check()
    assert cleaner.clean_once().deleted == 0
    (tmp_path / "audio").unlink()
    (tmp_path / "unplugged").rename(tmp_path / "audio")
    assert cleaner.clean_once().deleted == 1


def test_a_round_also_takes_what_interrupted_writes_left(
    client: redis.Redis, settings: Settings, store: JobStore, clock: Clock, tmp_path: Path
) -> None:
    storage = LocalStorage(tmp_path / "audio", retry_s=0.0)
    put(storage, storage.names.result(new_id(), 1, "wav"))
    incoming = tmp_path / "audio" / "ostinato" / ".incoming"
    for name, age_s in {"a" * 32: 4000, "b" * 32: 10}.items():
        (part := incoming / f"{name}.part").write_bytes(b"half")
        os.utime(part, (0, time.time() - age_s))
    make_cleaner(client, settings, storage, clock).clean_once()
    assert stored_files(incoming) == [f"{'b' * 32}.part"]
