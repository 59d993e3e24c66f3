"""Resolve continuation: the audio that a request goes on from, an earlier task's or an upload's, checked at submit.

Owns the fields `continue_from`, `continue_audio` and what a request takes over from the earlier task, unless it names
its own: the prompt, the model, the tempo, the key. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from api.uploads.decoded_uploads import DecodedUploads
from api.uploads.upload_store import Blobs
from shared.errors import FieldError, InvalidMelody, NotFound
from shared.jobs.job import Job, Status
from shared.jobs.reader import JobReader
from shared.music.audio_refs import BeginningRef
from shared.music.request import ATTRIBUTES, MusicRequest, fields_where
from shared.music.request_fields import Number
from shared.music.tempo_and_key import take_out
from shared.settings import Settings

FIELD, FILE, CUT, TAKEN = "continue_from", "continue_audio", "continue_at", "continue_seconds"
TAKEN_OVER = fields_where(lambda spec: spec.continued)
CHANNELS = 2  # an upload's stereo is kept, for models that have it
UNKNOWN = BeginningRef(key="", seconds=0, sha256="")  # so that no other field is blamed for what is wrong with this one


SentBefore = Callable[[], MusicRequest | None]


def nothing_sent() -> MusicRequest | None:
    return None


class ContinuationResolver:
    """Resolve `continue_from` and `continue_audio`. All methods raise BrokerUnavailable."""

    def __init__(self, settings: Settings, reader: JobReader, blobs: Blobs) -> None:
        self._settings = settings
        self._reader = reader
        self._blobs = blobs

    def read(
        self, fields: dict[str, Any], folder: str, uploads: DecodedUploads, sent_before: SentBefore
    ) -> Sequence[FieldError]:
        """Replace the field `continue_from` by what it means, and fill in what it brings. An upload goes to `folder`.

        Return what is wrong. Whatever stands in that field comes from outside: only a text, which is a task's id, is
        ever looked at. A request that is sent again after that task was removed, or has failed, means what it meant the
        first time.
        """
        asked, sent = fields.pop(FIELD, None), fields.pop(FILE, None)
        if asked is None and sent is None:
            return ()
        if asked is not None and sent is not None:
            return self._bad(fields, FIELD, f"send an earlier task's id or the audio {FILE}, not both", "")
        if sent is not None:
            return self._uploaded(fields, sent, folder, uploads)
        if not isinstance(asked, str) or not asked.strip():
            return self._bad(fields, FIELD, "must be the id of a completed task, as text", repr(asked)[:60])
        faults = self._earlier(fields, asked.strip(), uploads.account)
        if faults and (first := sent_before()) is not None and _as_then(fields, asked.strip(), first):
            return ()
        return faults

    def _uploaded(
        self, fields: dict[str, Any], sent: object, folder: str, uploads: DecodedUploads
    ) -> Sequence[FieldError]:
        """Decode an upload; of a long recording no more is kept than any clip may be long."""
        keep_s = _seconds_in(fields, TAKEN) or self._settings.longest_duration_s
        try:
            upload = uploads.decode(sent, f"{folder}/beginning.flac", channels=CHANNELS, keep_s=keep_s)
        except InvalidMelody as error:
            fields[FIELD] = UNKNOWN
            return [FieldError(FILE, e.message, e.value, "INVALID_AUDIO") for e in error.errors]
        fields[FIELD] = BeginningRef(
            key=upload.key,
            seconds=round(upload.decoded.seconds, 3),
            sha256=upload.decoded.sha256,
            heard_s=upload.decoded.upload_s,
            warnings=upload.decoded.warnings,
        )
        return ()

    def _earlier(self, fields: dict[str, Any], task_id: str, account: str) -> Sequence[FieldError]:
        try:
            job = self._reader.get(task_id)
        except NotFound:
            job = None
        if job is None or job.account != account:
            message = "no such task; it never existed, was removed, or its retention time is over. Send another id"
            return self._bad(fields, FIELD, message, repr(task_id)[:60], "UNKNOWN_TASK")
        _take_over(fields, job.request)
        if job.status.ended and (job.result is None or not self._blobs.is_complete(job.result)):
            why = "its audio is gone or damaged" if job.status is Status.COMPLETED else f"it has {job.status}"
            message = f"that task has no audio to go on from: {why}. Send a completed one, or make it again"
            return self._bad(fields, FIELD, message, repr(task_id)[:60])
        length_s = job.result.duration_s if job.result else round(job.request.duration_s, 3)
        end_s = _seconds_in(fields, CUT) or length_s
        if end_s > length_s:
            message = f"lies beyond the end of that task, which has {length_s:g} s; send at most that, or leave it out"
            return self._bad(fields, CUT, message, f"{end_s:g}")
        fields[FIELD] = self._reference(job, min(end_s, _seconds_in(fields, TAKEN) or end_s))
        return ()

    def _reference(self, job: Job, seconds: float) -> BeginningRef:
        result = job.result
        if result is None:
            return BeginningRef(key="", seconds=seconds, sha256="", task=job.id)
        return BeginningRef(
            key=result.key,
            seconds=seconds,
            sha256=result.sha256,
            task=job.id,
            codes=result.codes_key if self._blobs.has(result.codes_key) else None,
            checkpoint=result.fingerprint.checkpoint,
        )

    def _bad(
        self, fields: dict[str, Any], field: str, message: str, value: str, code: str = "INVALID_REQUEST"
    ) -> Sequence[FieldError]:
        fields[FIELD] = UNKNOWN
        return [FieldError(field, message, value, code)]


def _as_then(fields: dict[str, Any], task_id: str, first: MusicRequest) -> bool:
    """Return whether that first request went on from the same task. If so, fill in what it had."""
    if first.continue_from is None or first.continue_from.task != task_id:
        return False
    fields[FIELD] = first.continue_from
    _take_over(fields, first)
    return True


def _take_over(fields: dict[str, Any], earlier: MusicRequest) -> None:
    """Fill in what the fields do not say themselves; a tempo or key of their own takes the place of the earlier one."""
    fields.setdefault("prompt", take_out(earlier.prompt, earlier.tempo_bpm, earlier.key))
    for name in TAKEN_OVER:
        fields.setdefault(name, getattr(earlier, ATTRIBUTES[name]))


def _seconds_in(fields: dict[str, Any], name: str) -> float | None:
    """Return the seconds of that field, if it makes sense: where it does not, the validator says so."""
    try:
        seconds: float | None = TypeAdapter(Number | None).validate_python(fields.get(name))
    except ValidationError:
        return None
    return seconds if seconds and seconds > 0 else None
