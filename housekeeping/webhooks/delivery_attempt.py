"""Try to deliver one webhook once, from the job's record to what the receiver's response means for it.

Owns that meaning: 2xx is delivered, 410 ends it, all else is tried again until the span is over. Knows no threads and
no claims.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from housekeeping.webhooks.payloads import PayloadBuilder
from housekeeping.webhooks.retry_schedule import next_try_at
from housekeeping.webhooks.safe_http import ReceiverResponse, SafeHttpClient
from housekeeping.webhooks.signing import make_headers
from housekeeping.webhooks.signing_secrets import WebhookSecrets
from shared.errors import DeliveryFailed, NotFound
from shared.jobs.job import Job
from shared.jobs.reader import JobReader
from shared.webhooks.delivery_queue import Delivery, DeliveryQueue, State, Try
from shared.webhooks.subscription import Webhook

BUSY = (429, 503)  # the statuses whose Retry-After is kept to


class DeliveryAttempt:
    """Try deliveries; one object a process does it for all of them, from any thread."""

    def __init__(
        self,
        deliveries: DeliveryQueue,
        reader: JobReader,
        payloads: PayloadBuilder,
        http_client: SafeHttpClient,
        secrets: WebhookSecrets,
        *,
        span_s: float,
    ) -> None:
        self._deliveries = deliveries
        self._reader = reader
        self._payloads = payloads
        self._http_client = http_client
        self._secrets = secrets
        self._span_s = span_s

    def attempt(self, delivery: Delivery, now: float) -> Delivery:
        """Return the delivery as it stands after one more try. `now` is by the clock of the records, Redis'.

        Raises what keeps this process from trying at all: BrokerUnavailable, RecordTooNew.
        """
        since = time.monotonic()
        try:
            job = self._reader.get(delivery.job_id)
        except NotFound:
            return _given_up(delivery, now, "the task's record is gone", State.FAILED)
        if self._is_unwanted(delivery):
            return _given_up(delivery, now, "not sent: the receiver answered 410 to an earlier event", State.GONE)
        status, retry_after_s, problem = None, None, None
        try:
            response = self._send(job, delivery, now)
            status, retry_after_s, problem = response.status, response.retry_after_s, _problem_of(response.status)
        except DeliveryFailed as error:
            problem = error.message
        duration_s = round(time.monotonic() - since, 3)
        latest = Try(now, duration_s, status, problem)
        if problem is None:
            return delivery.after(latest, State.DELIVERED, None)
        if status == 410:
            return delivery.after(latest, State.GONE, None)
        asked_s = retry_after_s if status in BUSY else None
        next_at = next_try_at(delivery.at, now + duration_s, delivery.tried + 1, self._span_s, asked_s)
        return delivery.after(latest, State.PENDING if next_at else State.FAILED, next_at)

    def _send(self, job: Job, delivery: Delivery, now: float) -> ReceiverResponse:
        if job.webhook is None:
            raise DeliveryFailed("the task names no webhook")
        url = Webhook.from_json(job.webhook).url
        body = self._payloads.build(job, delivery)
        headers = make_headers(
            self._secrets.of(job.account), delivery.webhook_id, datetime.fromtimestamp(now, UTC), body
        )
        return self._http_client.post(url, headers, body)

    def _is_unwanted(self, delivery: Delivery) -> bool:
        return any(other.state is State.GONE for other in self._deliveries.of(delivery.job_id))


def _given_up(delivery: Delivery, now: float, reason: str, state: State) -> Delivery:
    return delivery.after(Try(now, 0.0, None, reason), state, None)


def _problem_of(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return "redirects are not followed; name the final address as webhook_url"
    return "the receiver wants no more" if status == 410 else f"the receiver answered {status}"
