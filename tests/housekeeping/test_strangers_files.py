"""Nothing of anybody else's is ever deleted in a folder or a bucket that Ostinato shares with others."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import redis

from housekeeping.cleaner import Cleaner
from housekeeping.process import make_parts
from shared.errors import ConfigurationError
from shared.jobs.blob_references import BlobReferences
from shared.jobs.job import Job, Result, new_id
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import LocalStorage, S3Storage, Storage
from tests.housekeeping.conftest import Clock, make_cleaner
from tests.shared.steps import MADE_BY
from tests.submitting import submit_job

ID = new_id()
MARK = "ostinato/.ostinato"
FAR_AHEAD_S = 400 * 24 * 3600.0
OUTSIDE = (
    "results/2024/annual-report.xlsx",
    f"results/{ID}/1.wav",  # named like an older version's, but no record knows it
    f"uploads/{ID}/melody.flac",
    f".incoming/{'a' * 32}.part",
    f"ostinato-backup/results/{ID}/1.wav",
    f"ostinatoresults/{ID}/1.wav",
    f"data/ostinato/results/{ID}/1.wav",
    "report.wav",
)
INSIDE = (
    "ostinato/read me.txt",
    "ostinato/results/1.wav",
    "ostinato/results/2024/1.wav",
    f"ostinato/results/{ID.upper()}/1.wav",
    f"ostinato/results/{uuid.uuid1()}/1.wav",
    f"ostinato/results/{ID.replace('-', '')}/1.wav",
    f"ostinato/results/{ID}x/1.wav",
    *(f"ostinato/results/{ID}/{name}" for name in ("0.wav", "01.wav", "1.WAV", "1.wav.bak", "1.xlsx", "1", "x.wav")),
    *(f"ostinato/results/{ID}/{name}" for name in ("-1.wav", "1.0.wav", "\u0661.wav", "1 .wav", "sub/1.wav", "a.flac")),
    f"ostinato/results/{ID}/{'9' * 30}.wav",
    f"ostinato/uploads/{ID}/1.wav",
    *(f"ostinato/uploads/{ID}/{name}" for name in ("melody.wav", "melody.flac.1", "Melody.flac", "voice.flac")),
    f"ostinato/{ID}/1.wav",
    f"ostinato/ostinato/results/{ID}/1.wav",
    "ostinato/.incoming/half.part",
    f"ostinato/.incoming/{'a' * 32}.part.txt",
)


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(result_ttl_s=60, upload_ttl_s=60)


class Neighbours:
    """Put others' files beside ours, without our help."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def write(self, *names: str) -> None:
        """Write files of every age, where a store lets one choose: from now to 1970."""
        for number, name in enumerate(names):
            self.put(name, name.encode())
            if isinstance(self._storage, LocalStorage):
                age_s = (0.0, 4000.0, 40 * 24 * 3600.0, time.time())[number % 4]
                os.utime(self._storage.root / name, (time.time() - age_s,) * 2)

    def put(self, name: str, content: bytes) -> None:
        if isinstance(self._storage, LocalStorage):
            path = self._storage.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        elif isinstance(self._storage, S3Storage):
            self._storage._client().put_object(Bucket=self._storage.bucket, Key=name, Body=content)

    def read(self) -> Mapping[str, bytes]:
        """Return all that lies in the store, ours too."""
        if isinstance(self._storage, LocalStorage):
            root = self._storage.root
            return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        assert isinstance(self._storage, S3Storage)
        client, bucket = self._storage._client(), self._storage.bucket
        names = [found["Key"] for found in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {name: client.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names}


@pytest.fixture
def job_of(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[[str], Job]:
    """Have a job that has made the blob of that key."""

    def job_of(key: str) -> Job:
        submit_job(store, request_for(), "tiny", account="local", source="tasks")
        claimed = store.claim("tiny", "w1")
        assert claimed is not None
        store.complete(claimed, Result(key, "audio/wav", len(key), "abc", 2.0, 32000, 1, 0.7, MADE_BY))
        return store.reader.get(claimed.id)

    return job_of


@pytest.fixture
def neighbours(storage: Storage) -> Neighbours:
    return Neighbours(storage)


def own_keys(storage: Storage) -> list[str]:
    names, job_id = storage.names, new_id()
    uploads = [f"{names.upload_folder(job_id)}/{kind}.flac" for kind in ("melody", "beginning")]
    return [
        names.result(job_id, 1, "wav"),
        names.result(job_id, 12, "opus"),
        names.result(job_id, 1, "codes"),
        *uploads,
    ]


def put(storage: Storage, keys: list[str]) -> None:
    for key in keys:
        storage.put(key, b"sound", "audio/wav")


def test_strangers_files_of_every_age_and_place_survive_also_when_named_nearly_like_ours(
    cleaner: Cleaner, storage: Storage, neighbours: Neighbours, clock: Clock
) -> None:
    put(storage, own_keys(storage))
    neighbours.write(*OUTSIDE, *INSIDE)
    clock.ahead_s = FAR_AHEAD_S
    assert cleaner.clean_once().deleted == 5
    left = {name: content for name, content in neighbours.read().items() if name != MARK}
    assert left == {name: name.encode() for name in (*OUTSIDE, *INSIDE)}


def test_no_folder_but_an_empty_one_of_a_task_of_ours_is_removed(
    client: redis.Redis, settings: Settings, store: JobStore, clock: Clock, tmp_path: Path
) -> None:
    storage = LocalStorage(tmp_path, retry_s=0.0)
    put(storage, keys := own_keys(storage))
    strangers = [tmp_path / path for path in ("empty", "results", f"results/{ID}", "uploads/old", "a/b/c")]
    strangers += [tmp_path / "ostinato" / path for path in ("other", "results/mine", f"results/{ID.upper()}", ID)]
    for folder in strangers:
        folder.mkdir(parents=True, exist_ok=True)
    clock.ahead_s = FAR_AHEAD_S
    cleaner = make_cleaner(client, settings, storage, clock)
    assert cleaner.clean_once().deleted == len(keys)
    for folder in (*strangers, *(tmp_path / "ostinato").rglob("*")):
        os.utime(folder, (0, 0))
    cleaner.clean_once()
    assert all(folder.is_dir() for folder in strangers)
    assert not [key for key in keys if (tmp_path / key).parent.exists()]


def test_in_a_folder_without_our_mark_nothing_is_deleted_and_nothing_written(
    cleaner: Cleaner, storage: Storage, neighbours: Neighbours, clock: Clock
) -> None:
    """Keep files that are named exactly as ours are, too: somebody else may run an Ostinato of their own."""
    neighbours.write(*(keys := own_keys(storage)))
    clock.ahead_s = FAR_AHEAD_S
    assert cleaner.clean_once().deleted == 0
    for call in (storage.check, lambda: put(storage, own_keys(storage))):
        with pytest.raises(ConfigurationError, match=r"no mark of Ostinato.*S3_PREFIX") as refused:
            call()
        assert storage.own_location not in refused.value.message
    assert set(neighbours.read()) == set(keys)
    neighbours.write(MARK)  # whatever another program calls so, or what a fault of the disk made of ours
    with pytest.raises(ConfigurationError, match="no mark of Ostinato"):
        storage.check()
    assert cleaner.clean_once().deleted == 0
    assert neighbours.read()[MARK] == MARK.encode()
    neighbours.put(MARK, b"\n")  # as the message says, for one that is ours after all
    storage.check()
    assert cleaner.clean_once().deleted == len(keys)


def test_two_installations_in_one_place_take_none_of_each_others_blobs(
    cleaner: Cleaner,
    storage: Storage,
    client: redis.Redis,
    settings: Settings,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the second one the first one's, nor the other way round: no record of theirs is known here."""
    put(storage, keys := own_keys(storage))
    assert cleaner.clean_once().deleted == 0
    clock.ahead_s = FAR_AHEAD_S
    second = make_cleaner(client, settings, storage, clock, root="second")
    seconds_name = BlobReferences(client, "second").installation()
    with caplog.at_level(logging.WARNING):
        assert second.clean_once().deleted == 0
    assert "also another Ostinato's" in caplog.text
    put(storage, theirs := own_keys(storage))
    for each in (cleaner, second, cleaner):
        assert each.clean_once().deleted == 0
    # as `make operate ARGS="adopt"` does for a Redis that has been replaced
    storage.sign(seconds_name)
    assert second.clean_once().deleted == len(keys + theirs)


def test_while_another_installation_is_there_what_a_record_named_goes_with_the_record(
    blob_references: BlobReferences,
    cleaner: Cleaner,
    storage: Storage,
    store: JobStore,
    client: redis.Redis,
    clock: Clock,
    job_of: Callable[[str], Job],
) -> None:
    storage.claim()
    storage.sign("another", blob_references.installation())
    put(storage, keys := own_keys(storage))
    job = job_of(keys[0])
    clock.ahead_s = FAR_AHEAD_S
    assert cleaner.clean_once().deleted == 0
    store.purge(job.id)
    cleaner.clean_once()
    assert [storage.exists(key) for key in keys] == [False, True, False, True, True], "the audio and its codes"


def test_an_older_versions_blob_is_read_and_deleted_by_the_key_in_its_record_and_by_nothing_else(
    cleaner: Cleaner,
    storage: Storage,
    neighbours: Neighbours,
    store: JobStore,
    client: redis.Redis,
    clock: Clock,
    request_for: Callable[..., MusicRequest],
) -> None:
    job = submit_job(store, request_for(), "tiny", account="local", source="tasks")
    claimed = store.claim("tiny", "w1")
    assert claimed is not None
    key = f"results/{job.id}/1.wav"
    beside = [f"results/{job.id}/notes.txt", f"results/{job.id}/2.wav", f"results/{new_id()}/1.wav"]
    neighbours.write(key, *beside)
    store.complete(claimed, Result(key, "audio/wav", len(key), "abc", 2.0, 32000, 1, 0.7, MADE_BY))
    assert storage.read(key, size=len(key)) == key.encode()
    clock.ahead_s = FAR_AHEAD_S
    assert cleaner.clean_once().deleted == 0
    for blob in client.keys("ostinato:refs:*"):  # as when the record's time is over
        client.delete(blob)
    cleaner.clean_once()
    assert not storage.exists(key)
    assert set(beside) <= set(neighbours.read())
    assert cleaner.clean_once().deleted == 0


def test_local_storage_path_may_be_tmp_itself_with_others_results_and_uploads(
    make_settings: Callable[..., Settings], client: redis.Redis, tmp_path: Path
) -> None:
    """Housekeeping runs as it is put together, on a folder that has been somebody's for years."""
    names = [f"{folder}/{name}" for folder in ("results", "uploads") for name in ("a.txt", "2019/b.csv", f"{ID}/1.wav")]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / "results" / "2020").mkdir()
    everything = sorted(tmp_path.rglob("*"))
    for path in everything:
        os.utime(path, (0, 0))
    _, cleaner = make_parts(make_settings(local_storage_path=tmp_path))
    for _ in range(2):
        assert cleaner.clean_once().seen == 0
    assert sorted(tmp_path.rglob("*")) == everything
