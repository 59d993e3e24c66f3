"""Make what a store is to keep repeatable: a stream can be read only once, and a write may have to start again."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.storage.blob import CHUNK_BYTES

Source = bytes | Path | BinaryIO


class Content:
    """Make what `put` is given repeatable: `open()` starts again from its first byte each time."""

    def __init__(self, opener: Callable[[], BinaryIO]) -> None:
        self.open = opener
        digest, self.bytes = hashlib.sha256(), 0
        with self.open() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                self.bytes += len(chunk)
        self.sha256 = digest.hexdigest()


@contextmanager
def repeatable(source: Source) -> Iterator[Content]:
    """Give the source as often as it is wanted; a stream has a copy on disk meanwhile."""
    if isinstance(source, bytes):
        yield Content(lambda: io.BytesIO(source))
    elif isinstance(source, Path):
        yield Content(lambda: source.open("rb"))
    else:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
            copy.flush()
            yield Content(lambda: _from_start(copy.fileno()))


def _from_start(descriptor: int) -> BinaryIO:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.fdopen(descriptor, "rb", closefd=False)
