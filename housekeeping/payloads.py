"""What a webhook says. Owns the native body and the table of others: a dialect whose document shows a body of its own
adds its builder to `BUILDERS` under its jobs' `source`.

A body is built anew for each try, so that its link to the audio has not run out by then; all else in it stays the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.accounts.bandwidth import Bandwidth
from shared.accounts.key_states import Grant, KeyStates
from shared.accounts.signed_urls import Signer
from shared.dialects import runpod, v1_audio
from shared.dialects.runpod import run_state
from shared.dialects.runpod_notes import RunpodNotes
from shared.dialects.v1_audio import failure_envelope, music_envelope
from shared.errors import BlobMissing, ConfigurationError, DeliveryFailed, StorageUnavailable
from shared.jobs.job import LOCAL, Job, Stage, Status
from shared.jobs.reader import JobReader
from shared.jobs.response_schemas import PartResponse, TaskWebhook
from shared.jobs.task_response import add_parts, audio_name, part_response, task_response
from shared.settings import Settings
from shared.storage import Storage
from shared.webhooks.delivery_queue import Delivery
from shared.webhooks.subscription import Webhook

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WebhookContext:
    """What a builder is given: the job as it was at the event, and where its links lead."""

    job: Job
    event: str
    at: float
    base: str
    audio_url: str
    queue_length: int
    read_audio: Callable[[], bytes]
    remarks: Callable[[], list[str]]
    parts: Callable[[], list[PartResponse]]


Builder = Callable[[WebhookContext], Mapping[str, Any]]


def native_body(telling: WebhookContext) -> TaskWebhook:
    """Return the task's response in the shape that Standard Webhooks recommends."""
    job = telling.job
    task = task_response(job, telling.at, base=telling.base, audio_url=telling.audio_url)
    if job.composition is not None:
        add_parts(task, job.composition, telling.parts())
    return {
        "type": f"task.{telling.event}",
        "timestamp": datetime.fromtimestamp(telling.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": task,
    }


def v1_audio_body(telling: WebhookContext) -> Mapping[str, Any]:
    """The envelope of the document itself: its receivers know nothing of events."""
    if telling.job.result is None:
        return failure_envelope(telling.job)
    return music_envelope(telling.job, telling.audio_url, telling.queue_length)


def runpod_body(telling: WebhookContext) -> Mapping[str, Any]:
    """What the protocol's status route answers, the audio in it."""
    return run_state(telling.job, telling.at, telling.read_audio, telling.remarks)


BUILDERS: dict[str, Builder] = {
    "tasks": native_body,
    v1_audio.SOURCE: v1_audio_body,
    runpod.SOURCE: runpod_body,
}


class Bodies:
    """Links begin with PUBLIC_URL, or with the address that the submission came to; an S3 store's own are whole.

    What a job of an account gives away lives shortly, and ends with its keys: once none of them is good any more, a
    webhook still tells what became of the job, and its link leads to a 401.
    """

    def __init__(
        self,
        storage: Storage,
        signer: Signer,
        keys: KeyStates,
        bandwidth: Bandwidth,
        settings: Settings,
        reader: JobReader,
        notes: RunpodNotes,
    ) -> None:
        self._signer = signer
        self._keys = keys
        self._settings = settings
        self._bandwidth = bandwidth
        self._reader = reader
        self._notes = notes
        self._storage = storage
        self._base = (settings.public_url or "").rstrip("/")

    def build(self, job: Job, delivery: Delivery) -> bytes:
        job = _as_it_was(job, delivery)
        base = self._base or (Webhook.from_json(job.webhook).base if job.webhook else "")
        length = self._reader.waiting().get(job.model, 0)
        telling = WebhookContext(
            job,
            delivery.event,
            delivery.at,
            base,
            self._link(job, base),
            length,
            read_audio=lambda: self._audio(job),
            remarks=lambda: self._notes.remarks(job.id),
            parts=lambda: self._parts(job, base),
        )
        build: Builder = BUILDERS.get(job.source, native_body)
        return json.dumps(build(telling)).encode()

    def _parts(self, job: Job, base: str) -> list[PartResponse]:
        parts = job.composition.parts if job.composition else ()
        looks = self._reader.snapshots([part.task_id for part in parts])
        responses = []
        for part, look in zip(parts, looks, strict=True):
            made = None if look is None else look.job
            link = self._own_link(made, base) if made is not None and made.result is not None else None
            responses.append(part_response(part.name, part.task_id, made, link))
        return responses

    def _audio(self, job: Job) -> bytes:
        """Counted once, as a link is, however often the delivery is tried. Raises DeliveryFailed."""
        assert job.result is not None, "only completed jobs have audio"
        if not self._may_have_audio(job):
            raise DeliveryFailed("the API keys of this task's account are disabled")
        if _is_locked(job):
            self._bandwidth.count_link(job.account, job.id, job.result.bytes, None)
        try:
            return self._storage.read(job.result.key, size=job.result.bytes)
        except (BlobMissing, ConfigurationError, StorageUnavailable) as error:
            log.warning("the webhook of task %s waits for its audio: %s", job.id, error)
            raise DeliveryFailed(f"the audio cannot be read: {error.message}") from error

    def _link(self, job: Job, base: str) -> str:
        """To the audio: the store's own where it has such, signed where only its account may ask for it.

        The store's counts as audio served; it is given out even when that is too much: the next submission is refused.
        """
        ttl_s = self._settings.presigned_ttl_s(locked=_is_locked(job))
        result = job.result if self._may_have_audio(job) else None
        if result and (link := self._storage.link(result.key, ttl_s=ttl_s, download_name=audio_name(job))):
            if _is_locked(job):
                self._bandwidth.count_link(job.account, job.id, result.bytes, None)
            return link
        return self._own_link(job, base)

    def _own_link(self, job: Job, base: str) -> str:
        """To this service: counted when it is fetched.

        It ends with the job's key, or is one of its account's other keys when that key is disabled already.
        """
        path = f"/tasks/{job.id}/audio"
        if not _is_locked(job):
            return base + path
        grant = Grant(job.account, job.key_id)
        return base + self._signer.sign(path, grant if self._keys.is_living(grant) else Grant(job.account))

    def _may_have_audio(self, job: Job) -> bool:
        return not _is_locked(job) or self._keys.is_living(Grant(job.account))


def _is_locked(job: Job) -> bool:
    """Whether it was made with a key."""
    return job.key_id is not None or job.account != LOCAL


def _as_it_was(job: Job, delivery: Delivery) -> Job:
    """A job that has ended changes no more; one that was told to have started may have gone on since."""
    if delivery.event != "started":
        return job
    return replace(
        job,
        status=Status.RUNNING,
        stage=Stage.RUNNING,
        step=0,
        steps=0,
        attempt=1,
        started_at=delivery.at,
        finished_at=None,
        result=None,
        error=None,
    )
