"""Blobs as files under one folder. Owns the way a file gets its name, and the wall around the folder.

A blob is written under `.incoming` and takes its name in one rename, so a name never holds half a file. Every path is
walked from the root by descriptors that follow no link, so no key and no link in the folder leads out of it. API and
workers on several machines need a shared file system here, or S3.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO, FileIO
from pathlib import Path

from shared.errors import StorageUnavailable
from shared.storage.blob import CHUNK_BYTES, BlobReader, BlobStat, ByteRange, Content, Storage, cut, missing
from shared.storage.keys import bad_key, check_key, is_key, media_type_of

INCOMING = ".incoming"  # no key starts with a dot
ABANDONED_AFTER_S = 3600.0  # a live writer adds to its file more often than that
# O_NONBLOCK is not for files: a pipe that lies in the folder must not hang whoever opens it.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
ABSENT = (FileNotFoundError, NotADirectoryError)
REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space there, or point LOCAL_STORAGE_PATH to a larger disk",
    errno.EDQUOT: "the quota is used up: free some space there, or point LOCAL_STORAGE_PATH elsewhere",
    errno.EFBIG: "the file is larger than this process or file system allows: raise the limit (ulimit -f)",
    errno.EACCES: "this user may not write there: change the folder's owner, or LOCAL_STORAGE_PATH",
    errno.EPERM: "this user may not write there: change the folder's owner, or LOCAL_STORAGE_PATH",
    errno.EROFS: "the file system is read-only: mount it writable, or change LOCAL_STORAGE_PATH",
}


class LocalStorage(Storage):
    def __init__(self, root: Path, *, retry_s: float = 60.0) -> None:
        self.root = root.absolute()
        self.retry_s = retry_s

    def open(self, key: str, range: ByteRange | None = None) -> BlobReader:
        descriptor = self._descriptor(key)
        try:
            found = _stat(key, os.fstat(descriptor))
            start, length = cut(key, range, found.bytes)
            os.lseek(descriptor, start, os.SEEK_SET)
        except BaseException:
            os.close(descriptor)
            raise
        file = FileIO(descriptor)
        return BlobReader(found, start, length, self._chunks(file, length), file.close)

    def stat(self, key: str) -> BlobStat:
        descriptor = self._descriptor(key)
        try:
            return _stat(key, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def delete(self, key: str) -> None:
        check_key(key)
        with self._told(), suppress(*ABSENT, IsADirectoryError), self._folder(key) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def delete_prefix(self, prefix: str) -> None:
        """In one rename for readers; the files go afterwards. What a crash leaves, `sweep` takes."""
        key, gone = check_key(prefix.removesuffix("/")), f"{uuid.uuid4().hex}.gone"
        with self._told(), suppress(*ABSENT), self._folder(key) as (folder, name), self._incoming() as incoming:
            if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                os.rename(name, gone, src_dir_fd=folder, dst_dir_fd=incoming)
                shutil.rmtree(gone, dir_fd=incoming)

    def blobs(self, prefix: str) -> Iterator[BlobStat]:
        key = check_key(prefix.removesuffix("/"))
        with self._told(), suppress(*ABSENT), self._folder(f"{key}/any") as (top, _):
            for folder, _, names, descriptor in os.fwalk(".", dir_fd=top):
                path = f"{key}/{folder[2:]}/" if folder != "." else f"{key}/"
                for name in filter(lambda name: is_key(path + name), names):
                    with suppress(FileNotFoundError):  # deleted meanwhile
                        found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                        if stat.S_ISREG(found.st_mode):
                            yield _stat(path + name, found)

    def tidy(self) -> None:
        self.sweep()
        before = time.time() - ABANDONED_AFTER_S
        with self._told(), suppress(*ABSENT), self._folder("any") as (top, _):
            for folder, inner, _, descriptor in os.fwalk(".", topdown=False, dir_fd=top):
                for name in inner:
                    # one that got a file meanwhile stays, and so does INCOMING, which is used all the time
                    if os.path.join(folder, name) != f"./{INCOMING}":
                        with suppress(OSError):
                            if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mtime < before:
                                os.rmdir(name, dir_fd=descriptor)

    def link(self, key: str, *, ttl_s: int | None = None, download_name: str | None = None) -> None:
        """None: the API serves local blobs itself."""
        check_key(key)

    def check(self) -> None:
        """Writes and removes a small file, as a job will."""
        name = f"{uuid.uuid4().hex}.part"
        with self._told(), self._incoming() as incoming:
            try:
                self._fill(name, incoming, Content(lambda: BytesIO(b"ready")))
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=incoming)

    def sweep(self) -> None:
        """Remove what writers that died have left behind. Never fails: `check` tells what is wrong with the folder."""
        before = time.time() - ABANDONED_AFTER_S
        with suppress(OSError), os.scandir(self.root / INCOMING) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime >= before:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        os.unlink(entry.path)

    def _write(self, key: str, content: Content, media_type: str, download_name: str | None) -> None:
        part = f"{uuid.uuid4().hex}.part"
        with self._told(), self._incoming() as incoming:
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
            raise bad_key(key, "goes through a file or a link, or is a folder, in the local store") from error

    def _descriptor(self, key: str) -> int:
        check_key(key)
        with self._told():
            try:
                with self._folder(key) as (folder, name):
                    descriptor = _open_at(folder, name, READ)
            except ABSENT as error:
                raise missing(key) from error
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
            raise missing(key)

    @contextmanager
    def _folder(self, key: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder that holds the key, as a descriptor, and the name in it."""
        *parents, name = key.split("/")
        if make:
            self.root.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.root, FOLDER)
        try:
            for part in parents:
                inner = _enter(folder, part, make)
                os.close(folder)
                folder = inner
            yield folder, name
        finally:
            os.close(folder)

    @contextmanager
    def _incoming(self) -> Iterator[int]:
        with self._folder(f"{INCOMING}/any", make=True) as (folder, _):
            yield folder

    def _chunks(self, file: FileIO, length: int) -> Iterator[bytes]:
        with self._told():
            while length > 0 and (chunk := file.read(min(CHUNK_BYTES, length))):
                length -= len(chunk)
                yield chunk

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remedy = REMEDIES.get(error.errno or 0, "check that disk, and LOCAL_STORAGE_PATH")
            raise StorageUnavailable(f"storage folder {self.root}: {error.strerror}; {remedy}") from error


def _enter(folder: int, part: str, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=folder)
            os.fsync(folder)
    return _open_at(folder, part, FOLDER | os.O_NOFOLLOW)


def _open_at(folder: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link; Linux says so only for files, other systems for folders too
            raise NotADirectoryError(errno.ENOTDIR, "is a link", name) from error
        raise


def _stat(key: str, found: os.stat_result) -> BlobStat:
    etag = f"{found.st_mtime_ns:x}-{found.st_size:x}"
    return BlobStat(key, found.st_size, media_type_of(key), found.st_mtime, etag)
