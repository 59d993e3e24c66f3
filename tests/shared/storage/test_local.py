"""What the local folder promises beyond the common contract: its wall, its leftovers, its errors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.errors import BlobMissing, ConfigurationError, StorageUnavailable
from shared.jobs.job import new_id
from shared.settings import Settings
from shared.storage import LocalStorage, Storage, open_storage
from tests.stored import stored_files

ROOT = Path(__file__).resolve().parents[3]
LIMITED_WRITER = """
import resource, sys
from pathlib import Path
from shared.storage import LocalStorage
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
LocalStorage(Path(sys.argv[1]), retry_s=0).put("a/b.wav", bytes(3_000_000), "audio/wav")
"""


@pytest.fixture
def outside(tmp_path: Path, local_storage: LocalStorage) -> Path:
    """A folder with a secret, and links to both in the store."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.wav").write_bytes(b"secret")
    local_storage.put("songs/a.wav", b"a", "audio/wav")
    (local_storage.root / "songs" / "away").symlink_to(outside)
    (local_storage.root / "songs" / "link.wav").symlink_to(outside / "secret.wav")
    return outside


def test_no_link_leads_a_reader_out_of_the_folder(local_storage: LocalStorage, outside: Path) -> None:
    for key in ("songs/away/secret.wav", "songs/link.wav"):
        assert not local_storage.exists(key)
        with pytest.raises(BlobMissing):
            local_storage.read(key)


def test_no_link_leads_a_writer_out_of_the_folder(local_storage: LocalStorage, outside: Path) -> None:
    with pytest.raises(ConfigurationError, match="link"):
        local_storage.put("songs/away/new.wav", b"x", "audio/wav")
    local_storage.put("songs/link.wav", b"replaces the link", "audio/wav")
    key = local_storage.names.result(new_id(), 1, "wav")
    (local_storage.root / "ostinato" / "results").mkdir()
    (local_storage.root / key).parent.symlink_to(outside)
    (outside / "1.wav").write_bytes(b"another's")
    local_storage.delete(key)
    wanted = {"secret.wav": b"secret", "1.wav": b"another's"}
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == wanted


def test_a_link_or_a_file_for_our_folder_is_the_operators_to_mend_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "large-disk").mkdir()
    storage = LocalStorage(tmp_path, retry_s=0.0)
    for make in (lambda own: own.symlink_to(tmp_path / "large-disk"), Path.touch):
        make(tmp_path / "ostinato")
        for call in (storage.check, lambda: storage.put("ostinato/results/1/1.wav", b"x", "audio/wav")):
            with pytest.raises(ConfigurationError, match=rf"{tmp_path}/ostinato is .* links are not followed"):
                call()
        (tmp_path / "ostinato").unlink()
    assert not list((tmp_path / "large-disk").iterdir())


def test_a_pipe_in_the_folder_hangs_nobody(local_storage: LocalStorage) -> None:
    local_storage.put("songs/a.wav", b"a", "audio/wav")
    os.mkfifo(local_storage.root / "songs" / "pipe.wav")
    assert not local_storage.exists("songs/pipe.wav")


def test_a_name_cannot_be_both_blob_and_folder(local_storage: LocalStorage) -> None:
    local_storage.put("songs/a", b"a", "audio/wav")
    for key in ("songs/a/b.wav", "songs"):
        with pytest.raises(ConfigurationError, match="folder"):
            local_storage.put(key, b"x", "audio/wav")
    assert local_storage.read("songs/a") == b"a"


def test_a_file_that_is_cut_while_it_is_read_is_no_whole_one(local_storage: LocalStorage) -> None:
    local_storage.put("a.wav", bytes(1_000_000), "audio/wav")
    with local_storage.open("a.wav") as reader:
        os.truncate(local_storage.root / "a.wav", 600_000)
        with pytest.raises(BlobMissing, match="has 600000 bytes, and should have 1000000"):
            reader.read()


def test_an_open_reader_keeps_what_it_opened(local_storage: LocalStorage) -> None:
    local_storage.put("a.wav", b"old", "audio/wav")
    with local_storage.open("a.wav") as reader:
        local_storage.put("a.wav", b"newer", "audio/wav")
        assert reader.read() == b"old"


def test_a_write_that_finds_no_room_says_where_and_leaves_nothing(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LIMITED_WRITER, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert "StorageUnavailable" in run.stderr
    assert str(tmp_path) in run.stderr
    assert stored_files(tmp_path) == []


def test_a_folder_that_cannot_be_used_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageUnavailable, match="LOCAL_STORAGE_PATH"):
            LocalStorage(root).check()


def test_what_dead_writers_left_is_swept_when_it_is_old(tmp_path: Path) -> None:
    settings, old = Settings(_env_file=None, local_storage_path=tmp_path), time.time() - 7200
    open_storage(settings).check()
    names = {f"{'a' * 32}.part": old, f"{'b' * 32}.part": time.time(), "mine.part": old, f"{'A' * 32}.part": old}
    for name, at in names.items():
        (path := tmp_path / "ostinato" / ".incoming" / name).write_bytes(b"half")
        os.utime(path, (at, at))
    open_storage(settings)
    left = {path.name for path in (tmp_path / "ostinato" / ".incoming").iterdir()}
    assert left == set(names) - {f"{'a' * 32}.part"}


def test_media_types_come_from_the_name(local_storage: LocalStorage) -> None:
    wanted = {"a.wav": "audio/wav", "a.FLAC": "audio/flac", "a.mp3": "audio/mpeg", "a.ogg": "audio/ogg"}
    wanted |= {"a.m4a": "audio/mp4", "a.aac": "audio/aac"}
    for key, media_type in (wanted | {"a": "application/octet-stream"}).items():
        local_storage.put(key, b"x", media_type)
        assert local_storage.stat(key).media_type == media_type


def test_local_blobs_have_no_link(local_storage: LocalStorage) -> None:
    storage: Storage = local_storage
    assert storage.link("a.wav", ttl_s=1, download_name="b.wav") is None


def test_tidying_takes_empty_folders_of_tasks_that_nobody_has_used_for_an_hour(local_storage: LocalStorage) -> None:
    old, new, full = new_id(), new_id(), new_id()
    for job_id in (old, new, full):
        local_storage.put(local_storage.names.result(job_id, 1, "wav"), b"x", "audio/wav")
    for job_id in (old, new):
        local_storage.delete(local_storage.names.result(job_id, 1, "wav"))
    results = local_storage.root / "ostinato" / "results"
    strangers = [
        results / "mine",
        results / old.upper(),
        results / full / "notes",
        local_storage.root / "results" / old,
    ]
    for folder in strangers:
        folder.mkdir(parents=True)
    for folder in (results / old, results / full, *strangers, results):
        os.utime(folder, (0, time.time() - 4000))
    local_storage.tidy()
    assert {path.name for path in results.iterdir()} == {new, full, "mine", old.upper()}
    assert all(folder.is_dir() for folder in strangers)
    assert local_storage.exists(local_storage.names.result(full, 1, "wav"))


def test_listing_and_tidying_follow_no_link_out_of_the_folder(local_storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "empty").mkdir(parents=True)
    (tmp_path / "elsewhere" / "a.wav").write_bytes(b"x")
    os.utime(tmp_path / "elsewhere" / "empty", (0, 0))
    key = local_storage.names.result(new_id(), 1, "wav")
    local_storage.put(key, b"x", "audio/wav")
    results = local_storage.root / "ostinato" / "results"
    (results / "link").symlink_to(tmp_path / "elsewhere")
    (results / new_id()).symlink_to(tmp_path / "elsewhere" / "empty")
    (results / "c.wav").symlink_to(tmp_path / "elsewhere" / "a.wav")
    local_storage.tidy()
    assert [blob.key for blob in local_storage.blobs("ostinato/results")] == [key]
    assert (tmp_path / "elsewhere" / "empty").exists()
    assert len(list(results.iterdir())) == 4
