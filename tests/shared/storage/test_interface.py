"""What both backends promise, local folder and S3 over HTTP alike."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shared.errors import BlobMissing, InvalidRequest
from shared.jobs.job import new_id
from shared.storage import ByteRange, LocalStorage, S3Storage, Storage
from tests.servers import S3Server
from tests.shared.conftest import opening_code

ROOT = Path(__file__).resolve().parents[3]
DATA = bytes(range(256)) * 4
BAD_KEYS = ["", "/", "/etc/passwd", "a//b", "a/", "..", "../a", "a/../../b", "a/./b", ".hidden", "a/.incoming/b"]
BAD_KEYS += ["a\0b", "a\nb", "a\\..\\b", "a\x7fb", "\ud800", "x" * 201, "a/" * 450 + "a"]


class Pipe(io.RawIOBase):
    """A stream that can be read once, and that may break."""

    def __init__(self, data: bytes, breaks_after: int | None = None) -> None:
        self._left = io.BytesIO(data)
        self._breaks_after = breaks_after

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._breaks_after is not None and self._left.tell() >= self._breaks_after:
            raise ConnectionResetError("the uploader went away")
        return self._left.read(min(size, 100_000) if size > 0 else size)


@pytest.mark.parametrize("kind", ["bytes", "path", "stream"])
def test_what_is_put_is_read_back(storage: Storage, folder: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    sources = {"bytes": DATA, "path": tmp_path / "source", "stream": Pipe(DATA)}
    key = f"{folder}/a song, ä & 音.wav"
    stored = storage.put(key, sources[kind], "audio/wav", download_name="a.wav")
    found = storage.stat(key)
    assert (stored.key, stored.bytes, stored.sha256) == (key, len(DATA), hashlib.sha256(DATA).hexdigest())
    assert (found.bytes, found.media_type) == (len(DATA), "audio/wav")
    assert abs(found.modified_at - time.time()) < 60
    assert storage.read(key) == DATA
    assert storage.exists(key)


def test_an_empty_blob_is_a_blob(storage: Storage, folder: str) -> None:
    storage.put(f"{folder}/empty.txt", b"", "text/plain")
    assert storage.read(f"{folder}/empty.txt") == b""
    assert storage.stat(f"{folder}/empty.txt").bytes == 0


def test_a_blob_of_several_parts_arrives_whole(storage: Storage, folder: str) -> None:
    data = os.urandom(12_000_000)
    storage.put(f"{folder}/long.wav", Pipe(data), "audio/wav")
    with storage.open(f"{folder}/long.wav") as reader:
        assert reader.size == reader.length == len(data)
        assert hashlib.sha256(reader.read()).digest() == hashlib.sha256(data).digest()
    if isinstance(storage, S3Storage):
        assert storage.stat(f"{folder}/long.wav").etag.endswith("-3")  # S3's sign of three parts


@pytest.mark.parametrize("range", [(0, 9), (10, 19), (1000, None), (5, 10**9), (1023, 1023)])
def test_a_range_gives_those_bytes(storage: Storage, folder: str, range: ByteRange) -> None:
    storage.put(f"{folder}/a.wav", DATA, "audio/wav")
    first, last = range
    wanted = DATA[first:] if last is None else DATA[first : last + 1]
    with storage.open(f"{folder}/a.wav", range) as reader:
        assert (reader.start, reader.length, reader.size) == (first, len(wanted), len(DATA))
        assert b"".join(reader) == wanted


@pytest.mark.parametrize("range", [(1024, None), (5000, 6000), (5, 3), (-5, None)])
def test_a_range_outside_is_refused_with_the_size(storage: Storage, folder: str, range: ByteRange) -> None:
    storage.put(f"{folder}/a.wav", DATA, "audio/wav")
    with pytest.raises(InvalidRequest, match="1024") as refused:
        storage.open(f"{folder}/a.wav", range)
    assert refused.value.code == "RANGE_NOT_SATISFIABLE"


def test_a_source_that_breaks_midway_leaves_what_was_there(storage: Storage, folder: str) -> None:
    storage.put(f"{folder}/old.wav", b"old", "audio/wav")
    for name in ("old", "new"):
        with pytest.raises(ConnectionResetError):
            storage.put(f"{folder}/{name}.wav", Pipe(bytes(8_000_000), 6_000_000), "audio/wav")
    assert storage.read(f"{folder}/old.wav") == b"old"
    assert not storage.exists(f"{folder}/new.wav")


def test_a_writer_killed_midway_leaves_what_was_there(
    storage: Storage, folder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("s3") if isinstance(storage, S3Storage) else None
    source, old, new = tmp_path / "source", f"{folder}/old.wav", f"{folder}/new.wav"
    source.touch()
    os.truncate(source, 64_000_000)
    storage.put(old, b"old", "audio/wav")
    for key in (old, new) if server is None else (old,):
        before = _unfinished(storage, server)
        writer = _start_writer(storage, key, source)
        while writer.poll() is None and _unfinished(storage, server) <= before:
            time.sleep(0.002)
        writer.kill()
        assert writer.wait() == -9, "it was done before the kill: make the source larger"
    assert storage.read(old) == b"old"
    assert not storage.exists(new)


def test_a_reader_never_sees_half_of_an_overwrite(storage: Storage, folder: str) -> None:
    contents = [bytes([number]) * 1_500_000 for number in range(2)]
    key, done = f"{folder}/a.wav", threading.Event()
    storage.put(key, contents[0], "audio/wav")

    def overwrite() -> None:
        for number in range(12):
            storage.put(key, contents[(number + 1) % 2], "audio/wav", retry_s=5.0)
        done.set()

    writer = threading.Thread(target=overwrite)
    writer.start()
    seen = set()
    while not done.is_set() and writer.is_alive():
        seen.add(storage.read(key, retry_s=5.0))
    writer.join()
    assert seen <= set(contents)
    assert done.is_set()


def test_a_missing_blob_is_named(storage: Storage, folder: str) -> None:
    storage.put(f"{folder}/there.wav", DATA, "audio/wav")
    for key in (f"{folder}/none.wav", f"{folder}/there.wav/below", folder):
        assert not storage.exists(key)
        for method in (storage.open, storage.read, storage.stat):
            with pytest.raises(BlobMissing, match=key):
                method(key)


def test_a_blob_of_another_size_than_its_record_says_is_given_to_nobody(storage: Storage, folder: str) -> None:
    storage.put(f"{folder}/a.wav", DATA, "audio/wav")
    assert storage.read(f"{folder}/a.wav", size=len(DATA)) == DATA
    for size in (len(DATA) + 1, len(DATA) - 1):
        calls: list[Callable[[], object]] = [
            partial(storage.open, f"{folder}/a.wav", size=size),
            partial(storage.open, f"{folder}/a.wav", (0, 9), size=size),
            partial(storage.open, f"{folder}/a.wav", (len(DATA), None), size=size),
            partial(storage.read, f"{folder}/a.wav", size=size),
            partial(storage.expect, f"{folder}/a.wav", size),
        ]
        for call in calls:
            with pytest.raises(BlobMissing, match=rf"has {len(DATA)} bytes, and should have {size}"):
                call()


def test_deleting_twice_is_as_good_as_once(storage: Storage) -> None:
    key = storage.names.result(new_id(), 1, "wav")
    storage.put(key, DATA, "audio/wav")
    storage.delete(key)
    assert not storage.exists(key)
    storage.delete(key)
    storage.delete(storage.names.result(new_id(), 1, "wav"))


@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
def test_a_key_that_could_lead_elsewhere_is_refused(storage: Storage, key: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: storage.put(key, b"x", "audio/wav"),
        lambda: storage.open(key),
        lambda: storage.exists(key),
        lambda: storage.delete(key),
        lambda: storage.link(key),
    ]
    for call in calls:
        with pytest.raises(InvalidRequest) as refused:
            call()
        assert refused.value.code == "INVALID_KEY"


def test_it_is_ready(storage: Storage) -> None:
    storage.check()


def _start_writer(storage: Storage, key: str, source: Path) -> subprocess.Popen[bytes]:
    code = f"{opening_code(storage)}\nstorage.put({key!r}, Path({str(source)!r}), 'audio/wav')"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)


def _unfinished(storage: Storage, server: S3Server | None) -> set[str]:
    """Writes under way: files that wait for their name, or S3's multipart uploads."""
    if isinstance(storage, LocalStorage):
        return {path.name for path in (storage.root / "ostinato" / ".incoming").glob("*.part") if path.stat().st_size}
    assert server is not None
    answer = server.client().list_multipart_uploads(Bucket=server.bucket)
    return {upload["UploadId"] for upload in answer.get("Uploads", [])}


def test_a_folder_lists_what_lies_in_it_and_below_and_nothing_else(storage: Storage, folder: str) -> None:
    keys = {f"{folder}/a.wav", f"{folder}/1/b.flac", f"{folder}/1/2/c, ä.mp3"}
    for key in keys | {f"{folder}x/d.wav"}:
        storage.put(key, DATA, "audio/wav")
    listed = {blob.key: blob for blob in storage.blobs(folder)}
    assert set(listed) == keys
    assert list(storage.blobs(f"{folder}/nothing")) == []
    blob = listed[f"{folder}/1/b.flac"]
    assert (blob.bytes, blob.media_type) == (len(DATA), "audio/flac")
    assert abs(blob.modified_at - storage.stat(blob.key).modified_at) < 1.1


def test_a_list_longer_than_a_page_is_whole(
    s3_storage: S3Storage, s3: S3Server, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.storage.s3.PAGE_BLOBS", 4)
    for number in range(10):
        s3_storage.put(f"{folder}/{number}.wav", b"x", "audio/wav")
    s3.client().put_object(Bucket=s3.bucket, Key=f"{folder}/.hidden", Body=b"not ours")
    assert {blob.key for blob in s3_storage.blobs(folder)} == {f"{folder}/{number}.wav" for number in range(10)}


def test_tidying_leaves_every_blob(storage: Storage, folder: str) -> None:
    storage.put(f"{folder}/1/a.wav", DATA, "audio/wav")
    storage.tidy()
    assert storage.read(f"{folder}/1/a.wav") == DATA
