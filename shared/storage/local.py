"""Keep blobs as files under one folder. Owns the way a file gets its name, and the wall around the folder.

A blob is written under `<prefix>/.incoming` and takes its name in one rename, so a name never holds half a file. Every
path is walked from the root by descriptors that follow no link, so no key and no link in the folder leads out of it.
The root may hold anybody's files. API and workers on several machines need a shared file system here, or S3.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO, FileIO
from pathlib import Path

from shared.errors import BlobMissing, StorageUnavailable
from shared.settings import STORE_PREFIX
from shared.storage.blob import CHUNK_BYTES, BlobReader, BlobStat, ByteRange, cut, missing
from shared.storage.content import Content
from shared.storage.descriptors import CREATE, FOLDER, READ, enter, open_at
from shared.storage.interface import Storage
from shared.storage.keys import check_key, is_key, media_type_of
from shared.storage.local_errors import occupied, refusal
from shared.storage.marker import MARKER, MARKER_TEXT
from shared.storage.names import RESULTS, UPLOADS, OwnNames, is_folder_id

INCOMING = ".incoming"  # no key starts with a dot
PART = re.compile(r"[0-9a-f]{32}\.part")
STALE_AFTER_S = 3600.0  # a live writer adds to its file more often than that
ABSENT = (FileNotFoundError, NotADirectoryError)


class LocalStorage(Storage):
    def __init__(self, root: Path, *, prefix: str = STORE_PREFIX, retry_s: float = 60.0) -> None:
        self.root = root.absolute()
        self.names = OwnNames(prefix)
        self.retry_s = retry_s

    @property
    def own_location(self) -> str:
        return str(self.root / self.names.prefix)

    def _open(self, key: str, range: ByteRange | None) -> BlobReader:
        descriptor = self._descriptor(key)
        try:
            found = _stat(key, os.fstat(descriptor))
            start, length = cut(range, found.bytes)
            os.lseek(descriptor, start, os.SEEK_SET)
        except BaseException:
            os.close(descriptor)
            raise
        file = FileIO(descriptor)
        return BlobReader(found, start, length, self._chunks(file, length), file.close)

    def stat(self, key: str) -> BlobStat:
        descriptor = self._descriptor(check_key(key))
        try:
            return _stat(key, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def _delete(self, key: str) -> None:
        with self._translated(), suppress(*ABSENT, IsADirectoryError), self._folder(key) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def blobs(self, prefix: str) -> Iterator[BlobStat]:
        key = check_key(prefix.removesuffix("/"))
        with self._translated(), suppress(*ABSENT), self._folder(f"{key}/any") as (top, _):
            for folder, _, names, descriptor in os.fwalk(".", dir_fd=top):
                path = f"{key}/{folder[2:]}/" if folder != "." else f"{key}/"
                for name in filter(lambda name: is_key(path + name), names):
                    with suppress(FileNotFoundError):  # deleted meanwhile
                        found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                        if stat.S_ISREG(found.st_mode):
                            yield _stat(path + name, found)

    def tidy(self) -> None:
        """Remove empty folders, and touch the mark: what removes old files from a folder such as /tmp leaves it."""
        if not self.is_marked():
            return
        self.sweep()
        with self._translated(), suppress(*ABSENT), self._folder(self._own(MARKER)) as (own, name):
            os.utime(name, dir_fd=own, follow_symlinks=False)
        for kind in (RESULTS, UPLOADS):
            with self._translated(), suppress(*ABSENT), self._folder(self._own(f"{kind}/any")) as (folder, _):
                self._remove_empty(folder)

    @staticmethod
    def _remove_empty(folder: int) -> None:
        """Remove empty folders of single tasks, unused for an hour; one that got a file meanwhile stays."""
        before = time.time() - STALE_AFTER_S
        for name in filter(is_folder_id, os.listdir(folder)):
            with suppress(OSError):
                if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < before:
                    os.rmdir(name, dir_fd=folder)

    def link(self, key: str, *, ttl_s: int | None = None, download_name: str | None = None) -> None:
        """Return None: the API serves local blobs itself."""
        check_key(key)

    def check(self) -> None:
        """Write and remove a small file, as a job will."""
        self.claim()
        name = f"{uuid.uuid4().hex}.part"
        with self._translated(), self._incoming() as incoming:
            try:
                self._fill(name, incoming, Content(lambda: BytesIO(b"ready")))
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=incoming)

    def sweep(self) -> None:
        """Remove what writers that died have left behind. Never fails: `check` tells what is wrong with the folder."""
        before = time.time() - STALE_AFTER_S
        with suppress(OSError, StorageUnavailable), self._folder(self._own(f"{INCOMING}/any")) as (incoming, _):
            for name in filter(PART.fullmatch, os.listdir(incoming) if self.is_marked() else ()):
                with suppress(OSError):
                    found = os.stat(name, dir_fd=incoming, follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode) and found.st_mtime < before:
                        os.unlink(name, dir_fd=incoming)

    def _is_used(self) -> bool:
        with self._translated(), suppress(*ABSENT), self._folder(self._own("any")) as (own, _):
            return bool(os.listdir(own))
        return False

    def _read_marker(self) -> bytes | None:
        with (
            suppress(BlobMissing),
            os.fdopen(self._descriptor(self._own(MARKER)), "rb") as file,
            self._translated(),
        ):
            return file.read(CHUNK_BYTES)
        return None

    def _write_marker(self) -> None:
        with (
            self._translated(),
            suppress(FileExistsError),
            self._folder(self._own(MARKER), make=True) as (own, name),
        ):
            with os.fdopen(os.open(name, CREATE, 0o666, dir_fd=own), "wb") as file:
                file.write(MARKER_TEXT)
            os.fsync(own)

    def _own(self, path: str) -> str:
        return f"{self.names.prefix}/{path}"

    def _write(self, key: str, content: Content, media_type: str, download_name: str | None) -> None:
        part = f"{uuid.uuid4().hex}.part"
        with self._translated(), self._incoming() as incoming:
            try:
                self._fill(part, incoming, content)
                self._name(part, incoming, key)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=incoming)
                raise

    @staticmethod
    def _fill(part: str, incoming: int, content: Content) -> None:
        with os.fdopen(os.open(part, CREATE, 0o666, dir_fd=incoming), "wb") as file, content.open() as stream:
            shutil.copyfileobj(stream, file, CHUNK_BYTES)
            file.flush()
            os.fsync(file.fileno())

    def _name(self, part: str, incoming: int, key: str) -> None:
        try:
            with self._folder(key, make=True) as (folder, name):
                os.replace(part, name, src_dir_fd=incoming, dst_dir_fd=folder)
                os.fsync(folder)
        except (NotADirectoryError, IsADirectoryError) as error:
            raise occupied(self.root / key) from error

    def _descriptor(self, key: str) -> int:
        with self._translated():
            try:
                with self._folder(key) as (folder, name):
                    descriptor = open_at(folder, name, READ)
            except ABSENT as error:
                raise missing(key) from error
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
            raise missing(key)

    @contextmanager
    def _folder(self, key: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder that holds the key, as a descriptor, and name the file. `make`: ConfigurationError where
        something else than a folder is in the way."""
        *parents, name = key.split("/")
        if make:
            self.root.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.root, FOLDER)
        try:
            for depth, part in enumerate(parents, 1):
                try:
                    inner = enter(folder, part, make)
                except NotADirectoryError as error:
                    if make:
                        raise occupied(self.root.joinpath(*parents[:depth])) from error
                    raise
                os.close(folder)
                folder = inner
            yield folder, name
        finally:
            os.close(folder)

    @contextmanager
    def _incoming(self) -> Iterator[int]:
        with self._folder(self._own(f"{INCOMING}/any"), make=True) as (folder, _):
            yield folder

    def _chunks(self, file: FileIO, length: int) -> Iterator[bytes]:
        with self._translated():
            while length > 0 and (chunk := file.read(min(CHUNK_BYTES, length))):
                length -= len(chunk)
                yield chunk

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refusal(error, self.root) from error


def _stat(key: str, found: os.stat_result) -> BlobStat:
    etag = f"{found.st_mtime_ns:x}-{found.st_size:x}"
    return BlobStat(key, found.st_size, media_type_of(key), found.st_mtime, etag)
