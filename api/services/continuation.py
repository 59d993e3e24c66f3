"""Resolve continuation: the audio that a request goes on from, an earlier task's or an upload's, checked at submit.

Owns the fields `continue_from`, `continue_audio` and what a request takes over from the earlier task, unless it names
its own: the prompt, the model, the tempo, the key. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from pydantic import TypeAdapter, ValidationError

from api.uploads.decoder import decode_melody
from api.uploads.upload_store import Blobs
from shared.errors import FieldError, InvalidMelody, NotFound
from shared.jobs.job import Job, Status
from shared.jobs.reader import JobReader
from shared.music.audio_refs import BeginningRef
from shared.music.request import ATTRIBUTES, MusicRequest, fields_where
from shared.music.request_fields import Number
from shared.music.tempo_and_key import take_out
from shared.settings import Settings

FIELD, FILE = "continue_from", "continue_audio"
TAKEN_OVER = fields_where(lambda spec: spec.continued)
CHANNELS = 2  # an upload's stereo is kept, for models that have it
UNKNOWN = BeginningRef(key="", seconds=0, sha256="")  # so that no other field is blamed for what is wrong with this one


SentBefore = Callable[[], MusicRequest | None]


def nothing_sent() -> MusicRequest | None:
    return None


@dataclass(frozen=True)
class ContinuationSource:
    """Hold what was found, beside what now stands in the fields."""

    errors: tuple[FieldError, ...] = ()
    upload: tuple[str, bytes] | None = None  # its key, and the canonical audio


class ContinuationResolver:
    """Resolve `continue_from` and `continue_audio`. All methods raise BrokerUnavailable."""

    def __init__(self, settings: Settings, reader: JobReader, blobs: Blobs) -> None:
        self._settings = settings
        self._reader = reader
        self._blobs = blobs

    def read(
        self, fields: dict[str, Any], file: IO[bytes] | None, folder: str, account: str, sent_before: SentBefore
    ) -> ContinuationSource:
        """Replace the field `continue_from` by what it means, and fill in what it brings. An upload goes to `folder`.

        Whatever stands in that field comes from outside: only a text, which is a task's id, is ever looked at. A
        request that is sent again after that task was removed, or has failed, means what it meant the first time.
        """
        asked, sent_as_text = fields.pop(FIELD, None), fields.pop(FILE, None)
        if sent_as_text is not None:
            return self._bad(fields, FILE, "must be a file field of a multipart form", "")
        if asked is None and file is None:
            return ContinuationSource()
        if asked is not None and file is not None:
            return self._bad(fields, FIELD, f"send an earlier task's id or the file {FILE}, not both", "")
        if file is not None:
            return self._uploaded(fields, file, folder, account)
        if not isinstance(asked, str) or not asked.strip():
            return self._bad(fields, FIELD, "must be the id of a completed task, as text", repr(asked)[:60])
        found = self._earlier(fields, asked.strip(), account)
        if found.errors and (first := sent_before()) is not None:
            return _as_then(fields, asked.strip(), first) or found
        return found

    def _uploaded(self, fields: dict[str, Any], file: IO[bytes], folder: str, account: str) -> ContinuationSource:
        """Decode an upload; of a long recording no more is kept than any clip may be long."""
        wanted_s = _wanted_s(fields)
        try:
            decoded = decode_melody(
                file,
                self._settings,
                account=account,
                channels=CHANNELS,
                keep_s=wanted_s or self._settings.longest_duration_s,
            )
        except InvalidMelody as error:
            fields[FIELD] = UNKNOWN
            return ContinuationSource(
                tuple(FieldError(FILE, e.message, e.value, "INVALID_AUDIO") for e in error.errors)
            )
        key = f"{folder}/beginning.flac"
        fields[FIELD] = BeginningRef(
            key=key,
            seconds=round(decoded.seconds, 3),
            sha256=decoded.sha256,
            heard_s=decoded.upload_s,
            warnings=decoded.warnings,
        )
        return ContinuationSource(upload=(key, decoded.flac))

    def _earlier(self, fields: dict[str, Any], task_id: str, account: str) -> ContinuationSource:
        try:
            job = self._reader.get(task_id)
        except NotFound:
            job = None
        if job is None or job.account != account:
            message = "no such task; it never existed, was removed, or its retention time is over. Send another id"
            return self._bad(fields, FIELD, message, repr(task_id)[:60], "UNKNOWN_TASK")
        _take_over(fields, job.request)
        if not job.status.ended:
            seconds = round(job.request.duration_s, 3)
            seconds = min(seconds, _wanted_s(fields) or seconds)
            fields[FIELD] = BeginningRef(key="", seconds=seconds, sha256="", task=job.id)
            return ContinuationSource()
        if job.result is None or not self._blobs.is_complete(job.result):
            why = "its audio is gone or damaged" if job.status is Status.COMPLETED else f"it has {job.status}"
            message = f"that task has no audio to go on from: {why}. Send a completed one, or make it again"
            return self._bad(fields, FIELD, message, repr(task_id)[:60])
        fields[FIELD] = self._reference(job, _wanted_s(fields))
        return ContinuationSource()

    def _reference(self, job: Job, wanted_s: float | None) -> BeginningRef:
        result = job.result
        assert result is not None, "the caller looked"
        return BeginningRef(
            key=result.key,
            seconds=min(result.duration_s, wanted_s or result.duration_s),
            sha256=result.sha256,
            task=job.id,
            codes=result.codes_key if self._blobs.has(result.codes_key) else None,
            checkpoint=result.fingerprint.checkpoint,
        )

    def _bad(
        self, fields: dict[str, Any], field: str, message: str, value: str, code: str = "INVALID_REQUEST"
    ) -> ContinuationSource:
        fields[FIELD] = UNKNOWN
        return ContinuationSource((FieldError(field, message, value, code),))


def _as_then(fields: dict[str, Any], task_id: str, first: MusicRequest) -> ContinuationSource | None:
    """Return it as that first request had it; None when it went on from something else."""
    if first.continue_from is None or first.continue_from.task != task_id:
        return None
    fields[FIELD] = first.continue_from
    _take_over(fields, first)
    return ContinuationSource()


def _take_over(fields: dict[str, Any], earlier: MusicRequest) -> None:
    """Fill in what the fields do not say themselves; a tempo or key of their own takes the place of the earlier one."""
    fields.setdefault("prompt", take_out(earlier.prompt, earlier.tempo_bpm, earlier.key))
    for name in TAKEN_OVER:
        fields.setdefault(name, getattr(earlier, ATTRIBUTES[name]))


def _wanted_s(fields: dict[str, Any]) -> float | None:
    """Return `continue_seconds`, if it makes sense: where it does not, the validator says so."""
    try:
        wanted_s: float | None = TypeAdapter(Number | None).validate_python(fields.get("continue_seconds"))
    except ValidationError:
        return None
    return wanted_s if wanted_s and wanted_s > 0 else None
