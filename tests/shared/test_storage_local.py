"""What the local folder promises beyond the common contract: its wall, its leftovers, its errors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.errors import BlobMissing, InvalidRequest, StorageUnavailable
from shared.settings import Settings
from shared.storage import LocalStorage, Storage, open_storage

ROOT = Path(__file__).resolve().parent.parent.parent
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
    with pytest.raises(InvalidRequest, match="link"):
        local_storage.put("songs/away/new.wav", b"x", "audio/wav")
    local_storage.put("songs/link.wav", b"replaces the link", "audio/wav")
    local_storage.delete("songs/away/secret.wav")
    local_storage.delete_prefix("songs/away")
    local_storage.delete_prefix("songs")
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"secret.wav": b"secret"}
    assert not local_storage.exists("songs/a.wav")


def test_a_pipe_in_the_folder_hangs_nobody(local_storage: LocalStorage) -> None:
    local_storage.put("songs/a.wav", b"a", "audio/wav")
    os.mkfifo(local_storage.root / "songs" / "pipe.wav")
    assert not local_storage.exists("songs/pipe.wav")


def test_a_name_cannot_be_both_blob_and_folder(local_storage: LocalStorage) -> None:
    local_storage.put("songs/a", b"a", "audio/wav")
    for key in ("songs/a/b.wav", "songs"):
        with pytest.raises(InvalidRequest, match="folder"):
            local_storage.put(key, b"x", "audio/wav")
    local_storage.delete("songs")
    assert local_storage.read("songs/a") == b"a"


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
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_used_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageUnavailable, match="LOCAL_STORAGE_PATH"):
            LocalStorage(root).check()


def test_what_dead_writers_left_is_swept_when_it_is_old(tmp_path: Path) -> None:
    incoming, old = tmp_path / ".incoming", time.time() - 7200
    for name in ("old.part", "new.part", "old.gone/a.wav"):
        (incoming / name).parent.mkdir(parents=True, exist_ok=True)
        (incoming / name).write_bytes(b"half")
    for name in ("old.part", "old.gone"):
        os.utime(incoming / name, (old, old))
    storage = open_storage(Settings(_env_file=None, local_storage_path=tmp_path))
    assert isinstance(storage, LocalStorage)
    assert [path.name for path in incoming.iterdir()] == ["new.part"]


def test_media_types_come_from_the_name(local_storage: LocalStorage) -> None:
    wanted = {"a.wav": "audio/wav", "a.FLAC": "audio/flac", "a.mp3": "audio/mpeg", "a.ogg": "audio/ogg"}
    for key, media_type in (wanted | {"a": "application/octet-stream"}).items():
        local_storage.put(key, b"x", media_type)
        assert local_storage.stat(key).media_type == media_type


def test_local_blobs_have_no_link(local_storage: LocalStorage) -> None:
    storage: Storage = local_storage
    assert storage.link("a.wav", ttl_s=1, download_name="b.wav") is None


def test_tidying_takes_empty_folders_that_nobody_has_used_for_an_hour(local_storage: LocalStorage) -> None:
    for name in ("old", "new", "full"):
        local_storage.put(f"results/{name}/1.wav", b"x", "audio/wav")
    for name in ("old", "new"):
        local_storage.delete(f"results/{name}/1.wav")
    for name in ("old", "full"):
        os.utime(local_storage.root / "results" / name, (0, time.time() - 4000))
    local_storage.tidy()
    assert {path.name for path in (local_storage.root / "results").iterdir()} == {"new", "full"}
    assert local_storage.exists("results/full/1.wav")


def test_listing_and_tidying_follow_no_link_out_of_the_folder(local_storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "empty").mkdir(parents=True)
    (tmp_path / "elsewhere" / "a.wav").write_bytes(b"x")
    os.utime(tmp_path / "elsewhere" / "empty", (0, 0))
    local_storage.put("results/b.wav", b"x", "audio/wav")
    (local_storage.root / "results" / "link").symlink_to(tmp_path / "elsewhere")
    (local_storage.root / "results" / "c.wav").symlink_to(tmp_path / "elsewhere" / "a.wav")
    local_storage.tidy()
    assert [blob.key for blob in local_storage.blobs("results")] == ["results/b.wav"]
    assert (tmp_path / "elsewhere" / "empty").exists()
