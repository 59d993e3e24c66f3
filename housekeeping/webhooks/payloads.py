"""Build the bytes that a webhook posts. What they say is the job's dialect's own (shared/dialects).

Built anew for each try, so that the link to the audio has not run out by then; all else stays the same.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import redis

from shared.accounts.bandwidth import Bandwidth
from shared.accounts.key_states import Grant, KeyStates
from shared.accounts.signed_urls import Signer
from shared.dialects.registry import WebhookBodies
from shared.dialects.webhook_context import WebhookContext
from shared.errors import BlobMissing, ConfigurationError, DeliveryFailed, StorageUnavailable
from shared.jobs.job import LOCAL, Job, Stage, Status
from shared.jobs.reader import JobReader
from shared.jobs.response_schemas import PartResponse
from shared.jobs.task_response import audio_name, part_response
from shared.settings import Settings
from shared.storage import Storage
from shared.webhooks.delivery_queue import Delivery
from shared.webhooks.subscription import Webhook

log = logging.getLogger(__name__)


class PayloadBuilder:
    """Build payloads whose links begin with PUBLIC_URL, or with the address that the submission came to.

    An S3 store's own links are whole. What a job of an account gives away lives shortly, and ends with its keys: once
    none of them is good any more, a webhook still says what became of the job, and its link leads to a 401.
    """

    def __init__(
        self,
        storage: Storage,
        signer: Signer,
        keys: KeyStates,
        bandwidth: Bandwidth,
        settings: Settings,
        reader: JobReader,
        client: redis.Redis,
    ) -> None:
        self._signer = signer
        self._keys = keys
        self._settings = settings
        self._bandwidth = bandwidth
        self._reader = reader
        self._client = client
        self._bodies = WebhookBodies()
        self._storage = storage
        self._base = (settings.public_url or "").rstrip("/")

    def build(self, job: Job, delivery: Delivery) -> bytes:
        """Return the JSON of one event. Raises DeliveryFailed while audio that belongs in it cannot be read."""
        job = _as_it_was(job, delivery)
        base = self._base or (Webhook.from_json(job.webhook).base if job.webhook else "")
        context = WebhookContext(
            job=job,
            event=delivery.event,
            at=delivery.at,
            base=base,
            audio_url=self._audio_url(job, base),
            queue_length=self._reader.waiting().get(job.model, 0),
            client=self._client,
            read_audio=lambda: self._audio(job),
            parts=lambda: self._parts(job, base),
        )
        return json.dumps(self._bodies.of(job.source)(context)).encode()

    def _parts(self, job: Job, base: str) -> list[PartResponse]:
        parts = job.composition.parts if job.composition else ()
        snapshots = self._reader.snapshots([part.task_id for part in parts])
        responses = []
        for part, snapshot in zip(parts, snapshots, strict=True):
            part_job = None if snapshot is None else snapshot.job
            link = self._own_url(part_job, base) if part_job is not None and part_job.result is not None else None
            responses.append(part_response(part.name, part.task_id, part_job, link))
        return responses

    def _audio(self, job: Job) -> bytes:
        """Return the audio, counted once, as a link is, however often the delivery is tried. Raises DeliveryFailed."""
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

    def _audio_url(self, job: Job, base: str) -> str:
        """Return the link to the audio: the store's own where it has such, signed where only its account may use it.

        The store's counts as audio served; it is given out even when that is too much: the next submission is refused.
        """
        ttl_s = self._settings.presigned_ttl_s(locked=_is_locked(job))
        result = job.result if self._may_have_audio(job) else None
        if result and (link := self._storage.link(result.key, ttl_s=ttl_s, download_name=audio_name(job))):
            if _is_locked(job):
                self._bandwidth.count_link(job.account, job.id, result.bytes, None)
            return link
        return self._own_url(job, base)

    def _own_url(self, job: Job, base: str) -> str:
        """Return the link to this service's audio: counted when it is fetched.

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
    """Return whether the job was made with a key."""
    return job.key_id is not None or job.account != LOCAL


def _as_it_was(job: Job, delivery: Delivery) -> Job:
    """Return the job as it was at the event: one that has ended changes no more, one that started may have gone on."""
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
