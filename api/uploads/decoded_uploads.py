"""Decode the uploads of one submission, and hold their canonical audio on the disk until it is stored or not wanted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import IO, Self

from api.uploads.data_uris import opened
from api.uploads.decoder import Melody, decode_melody
from shared.errors import InvalidMelody
from shared.errors.field_errors import FAULTS_LISTED
from shared.settings import Settings

MOST_S, OF_LONGEST = 3600.0, 2  # of sound in all uploads of one submission; so many of the longest upload at least
MEMORY_BYTES = 256 * 1024  # of an upload; a larger one lies on the disk


@dataclass(frozen=True)
class Upload:
    """Name where a decoded upload is to be stored, and tell what was heard in it, without its audio."""

    key: str
    decoded: Melody


class DecodedUploads(Mapping[str, bytes]):
    """Map the keys of a submission's uploads to their canonical audio, read from the disk each time. Close it after.

    A recording that several requests of a batch have in JSON is decoded once, and stored once.
    """

    def __init__(self, settings: Settings, account: str) -> None:
        self.account = account
        self._settings = settings
        self._files: dict[str, IO[bytes]] = {}
        self._known: dict[tuple[str, int, float | None], Upload | InvalidMelody] = {}
        self._seconds = 0.0
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def __getitem__(self, key: str) -> bytes:
        file = self._files[key]
        file.seek(0)
        return file.read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def decode(self, sent: object, key: str, *, channels: int = 1, keep_s: float | None = None) -> Upload:
        """Decode a form's file, or a data: URI. It is to be stored under `key`, or that of an equal one before it.

        Raises as `decode_melody` and `opened`, and InvalidMelody when all uploads together are too long.
        """
        with opened(sent) as (file, digest):
            if digest is None:
                return self._decode(file, key, channels, keep_s)
            asked = digest, channels, keep_s
            if asked not in self._known:
                try:
                    self._known[asked] = self._decode(file, key, channels, keep_s)
                except InvalidMelody as error:
                    self._known[asked] = error
            found = self._known[asked]
        if isinstance(found, InvalidMelody):
            raise InvalidMelody(found.errors[0].message, value=found.errors[0].value)
        return found

    def _decode(self, file: IO[bytes], key: str, channels: int, keep_s: float | None) -> Upload:
        if sum(isinstance(each, InvalidMelody) for each in self._known.values()) >= FAULTS_LISTED:
            raise InvalidMelody(f"was not looked at, for {FAULTS_LISTED} before it cannot be used; mend those first")
        most_s = max(MOST_S, OF_LONGEST * self._settings.max_melody_s)
        if self._seconds <= most_s:
            decoded = decode_melody(file, self._settings, account=self.account, channels=channels, keep_s=keep_s)
            self._seconds += decoded.upload_s
        if self._seconds > most_s:
            raise InvalidMelody(
                f"makes the recordings of this request longer than {most_s:g} s together; send it in another one",
                value=f"{self._seconds:.0f} s",
            )
        kept = self._opened.enter_context(tempfile.SpooledTemporaryFile(MEMORY_BYTES))  # noqa: SIM115 - it is one
        kept.write(decoded.flac)
        self._files[key] = kept
        return Upload(key, replace(decoded, flac=b""))
