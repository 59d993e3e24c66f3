"""What the API puts into the store and takes out of it, by the names in the records."""

from __future__ import annotations

import io
from collections.abc import Callable

from flask.testing import FlaskClient

from shared.jobs.job import Fingerprint, Job, Result
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import OwnNames
from tests.audio_fixtures import file_of, tone
from tests.stored import stored_files

MADE_BY = Fingerprint("digest", "engine-1", "fp32", "cpu")


def submitted(api: FlaskClient, store: JobStore) -> Job:
    api.post("/tasks", json={"prompt": "x"})
    job = store.claim("tiny", "w1")
    assert job is not None
    return job


def test_each_upload_has_a_name_that_the_cleaner_knows(api: FlaskClient, settings: Settings) -> None:
    for field in ("melody", "continue_audio"):
        form = {"prompt": "x", "duration": "4", field: (io.BytesIO(file_of(tone(330, 1.0), 32_000)), "a.wav")}
        answer = api.post("/tasks", data=form, content_type="multipart/form-data")
        assert answer.status_code == 202, answer.get_data(as_text=True)
    keys = stored_files(settings.local_storage_path)
    assert len(keys) == 2
    assert all(OwnNames(settings.s3_prefix).own(key) for key in keys)


def test_an_older_versions_task_is_served_and_purged_by_the_key_in_its_record(
    api: FlaskClient, store: JobStore, settings: Settings
) -> None:
    job = submitted(api, store)
    folder = settings.local_storage_path / "results" / job.id
    folder.mkdir(parents=True)
    for name in ("1.wav", "1.codes", "2.wav", "notes.txt"):
        (folder / name).write_bytes(b"music")
    key = f"results/{job.id}/1.wav"
    store.complete(job, Result(key, "audio/wav", 5, "abc", 2.0, 32000, 1, 0.7, MADE_BY))
    assert api.get(f"/tasks/{job.id}/audio").data == b"music"
    assert api.delete(f"/tasks/{job.id}?purge=1").status_code == 200
    assert stored_files(settings.local_storage_path) == [f"results/{job.id}/2.wav", f"results/{job.id}/notes.txt"]


def test_a_record_that_names_no_blob_of_ours_has_nothing_deleted(
    api: FlaskClient, store: JobStore, settings: Settings, finish: Callable[[Job, bytes], Job]
) -> None:
    """However it came to say so."""
    job = submitted(api, store)
    (settings.local_storage_path / "results").mkdir(parents=True)
    (settings.local_storage_path / "results" / "annual-report.wav").write_bytes(b"music")
    store.complete(job, Result("results/annual-report.wav", "audio/wav", 5, "a", 2.0, 32000, 1, 0.7, MADE_BY))
    assert api.delete(f"/tasks/{job.id}?purge=1").status_code == 200
    assert stored_files(settings.local_storage_path) == ["results/annual-report.wav"]
    made = finish(submitted(api, store), b"sound")
    assert api.delete(f"/tasks/{made.id}?purge=1").status_code == 200
    assert stored_files(settings.local_storage_path) == ["results/annual-report.wav"]
