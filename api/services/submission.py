"""Parse a submission before it is accepted: its fields, its uploads, a model that somebody serves.

Everything that can be wrong is looked at before anything is refused. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from api.services.continuation import ContinuationResolver, SentBefore, nothing_sent
from api.services.prompt_filter import open_screen
from api.services.token_counter import TokenCounters
from api.services.worker_directory import WorkerDirectory
from api.uploads.decoded_uploads import DecodedUploads
from shared.errors import FieldError, FormatUnavailable, InvalidMelody, InvalidRequest, ModelNotServed
from shared.music.audio_refs import MelodyRef
from shared.music.catalog import Catalog, Choice
from shared.music.formats import FORMATS, lacks_ffmpeg
from shared.music.parse_request import parse_request
from shared.music.request import FIELDS, RESOLVED, MusicRequest
from shared.music.request_fields import is_left_out
from shared.music.request_limits import Limits
from shared.settings import Settings
from shared.storage import OwnNames
from shared.webhooks.subscription import FIELDS as WEBHOOK_FIELDS
from shared.webhooks.subscription import parse_webhook

Files = Mapping[str, IO[bytes]]  # of a form, by the fields in which JSON may have data: URIs
NO_FILES: Files = {}


@dataclass(frozen=True)
class Submission:
    """Hold a valid submission, whose request may name uploads by the keys under which they are to be stored."""

    request: MusicRequest
    choice: Choice
    webhook: str | None = None

    @property
    def model(self) -> str:
        return self.choice.model.name


class SubmissionParser:
    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        workers: WorkerDirectory,
        counters: TokenCounters,
        continuations: ContinuationResolver,
        own_address: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._continuations = continuations
        self._catalog = catalog
        self._workers = workers
        self._counters = counters
        self._screen = open_screen(settings)
        self._own_address = own_address

    def open_uploads(self, account: str) -> DecodedUploads:
        """Return where the uploads of a submission are decoded. They are there until it is closed."""
        return DecodedUploads(self._settings, account)

    def parse(
        self,
        fields: Mapping[str, Any],
        files: Files,
        job_id: str,
        uploads: DecodedUploads,
        *,
        also: Sequence[FieldError] = (),
        sent_before: SentBefore = nothing_sent,
        melody: bool = False,
    ) -> Submission:
        """Raises InvalidRequest with every bad field, PromptFilterFailed, and what keeps `uploads` from decoding.

        What is uploaded is decoded into `uploads`, for their account. `also` are faults already found.
        `sent_before` tells, if it matters, the request that was accepted under the same Idempotency-Key. `melody`: the
        model must hear melodies, whether or not this request has one.
        """
        known = _as_sent(fields)
        folder = OwnNames(self._settings.s3_prefix).upload_folder(job_id)
        webhook, errors = parse_webhook(known, allow_private=self._settings.webhook_allow_private)
        for field in WEBHOOK_FIELDS:
            known.pop(field, None)
        known |= files
        melody_faults = self._read_melody(known, folder, uploads)
        beginning_faults = self._continuations.read(known, folder, uploads, sent_before)
        errors = [*also, *errors, *melody_faults, *beginning_faults]
        choice = self._choose(known, melody or "melody" in known, errors)
        if choice is not None:
            known["model"] = choice.model.name
            errors += self._unwritable(known.get("output_format"), choice, sent_before)
        request = parse_request(known, self._limits(choice), also=tuple(errors))
        self._screen(request.prompt)
        assert choice is not None, "a missing choice is an error, and errors are raised"
        webhook_fields = replace(webhook, base=self._own_address()).as_json() if webhook else None
        return Submission(request, choice, webhook_fields)

    def _read_melody(self, known: dict[str, Any], folder: str, uploads: DecodedUploads) -> Sequence[FieldError]:
        """Decode the field `melody`, and put the reference to it in its place. Return what is wrong with it."""
        sent = known.pop("melody", None)
        if sent is None:
            return ()
        try:
            upload = uploads.decode(sent, f"{folder}/melody.flac")
        except InvalidMelody as error:
            # so that a blank prompt beside a bad melody is not reported as a second fault
            known["melody"] = MelodyRef(key="", seconds=0, sha256="")
            return error.errors
        decoded = upload.decoded
        known["melody"] = MelodyRef(
            key=upload.key, seconds=decoded.seconds, sha256=decoded.sha256, warnings=decoded.warnings
        )
        return ()

    def _choose(self, known: dict[str, Any], melody: bool, errors: list[FieldError]) -> Choice | None:
        asked = known.setdefault("model", self._settings.default_model)
        if not isinstance(asked, str):
            return None  # the validator says so
        for fresh in (False, True):
            others = [p.as_model() for p in self._workers.live(fresh=fresh)]
            try:
                return self._catalog.choose(asked, melody=melody, others=others)
            except InvalidRequest as error:
                refusal = error.errors
        errors += refusal
        return None

    def _unwritable(self, asked: object, choice: Choice, sent_before: SentBefore) -> list[FieldError]:
        """Return the fault of a format that not all workers of the model can write. Where none lives, nobody knows.

        What was accepted in that format before is no fault: a replay asks for nothing new.
        """
        audio_format = FORMATS.get(asked.strip().lower()) if isinstance(asked, str) else None
        if audio_format is None or not audio_format.needs_ffmpeg:
            return []
        unable = self._workers.without_ffmpeg(choice.model.name)
        first = sent_before() if unable else None
        if not unable or (first is not None and first.output_format == audio_format.name):
            return []
        message = lacks_ffmpeg(audio_format.name, f"the worker {unable[0]} of {choice.model.name}")
        return [FieldError("output_format", message, repr(asked)[:60], FormatUnavailable.code)]

    def _limits(self, choice: Choice | None) -> Limits:
        settings = self._settings
        live = self._workers.of(choice.model.name) if choice else []
        longest = max([p.max_duration_s for p in live], default=choice.model.max_duration_s if choice else float("inf"))
        tokenizer = next((p.tokenizer for p in live if p.tokenizer), None)
        counter = self._counters.get(tokenizer) if tokenizer else None
        return Limits(longest, settings.max_prompt_tokens, settings.max_prompt_chars, counter)

    def expect_served(self, choice: Choice) -> None:
        """Refuse a model that is not served: no worker for it lives, and SERVED_MODELS does not name it.

        Raises ModelNotServed.
        """
        promised = self._workers.promised()
        if choice.revision is None and choice.model.name in promised:
            return
        for fresh in (False, True):
            live = self._workers.of(choice.model.name, fresh=fresh)
            # a job is drawn by any worker of its model, so all of them must hold the revision asked for
            if live and all(choice.revision in (None, p.revision) for p in live):
                return
        asked = choice.model.name + (f"@{choice.revision}" if choice.revision else "")
        served = {p.model for p in self._workers.live()} | promised
        raise ModelNotServed(asked, sorted(served))


def _as_sent(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields without those that were sent for their default.

    A tempo or key of null says something: that the earlier task's is not wanted.
    """
    said = {name for name in RESOLVED if fields.get(name, "") is None}
    return {
        name: value
        for name, value in fields.items()
        if name in said or name not in FIELDS or not is_left_out(name, value)
    }
