"""Make the Celery app, and the claim tickets that tell a model's workers that its queue has work.

A ticket is a Celery message that names a model and the version it speaks, nothing else. Which job a worker gets is
decided when it claims (store.py). So a lost ticket costs one round of the reaper and a doubled one nothing, and broker
redelivery is never how a job is recovered.
"""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any, NamedTuple

import redis
from celery import Celery
from kombu.connection import Connection

from shared.broker.commands import commands_of
from shared.broker.connection import celery_broker, connect, translated
from shared.errors import BrokerUnavailable
from shared.music.catalog import queue_name
from shared.settings import Settings

log = logging.getLogger(__name__)

TICKET_TASK = "ostinato.ticket"
TICKET_VERSION = 1
TOP_UP_AT_MOST = 1000
NO_ID = str(uuid.UUID(int=0))


def make_celery(settings: Settings, **overrides: Any) -> Celery:
    """Make the Celery app that API and workers share. No result backend: the job record is the result."""
    broker_url, transport_options = celery_broker(settings)
    app = Celery("ostinato", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        enable_utc=True,
        timezone="UTC",
        broker_transport_options=transport_options,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=settings.redis_timeout_s,
        broker_connection_max_retries=None,  # a worker waits for its broker however long that takes
        # a ticket is acknowledged when it is drawn, and drawn only by a thread that is free to claim
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_hijack_root_logger=True,
        worker_send_task_events=True,
        **overrides,
    )
    return app


class Ticket(NamedTuple):
    """Say what is to be pushed to the left of which Redis list, for a Celery worker to draw it."""

    queue: str
    envelope: str


class Tickets:
    """Write claim tickets, and keep their number at least that of the waiting jobs."""

    def __init__(self, app: Celery, settings: Settings, client: redis.Redis | None = None) -> None:
        """Write tickets; `client`: the process's own, whose pool the tickets then share."""
        self._app = app
        self._redis = commands_of(client or connect(settings))
        self._patterns: dict[str, str] = {}

    def write(self, model: str) -> Ticket:
        """Write a ticket that a script pushes: sent by Celery it would cost a submission a second round trip."""
        if model not in self._patterns:
            self._patterns[model] = self._pattern(model)
        return Ticket(queue_name(model), self._patterns[model].replace(NO_ID, str(uuid.uuid4())))

    def send(self, model: str, count: int = 1) -> None:
        """Send tickets. A broker that is away raises nothing: the job is on record, a reaper sends what is missing."""
        try:
            with translated():
                self._redis.lpush(queue_name(model), *(self.write(model).envelope for _ in range(count)))
        except BrokerUnavailable as error:
            log.warning("no ticket sent for %s (%s); the reaper will", model, error)

    def _pattern(self, model: str) -> str:
        """Write a message as Celery and kombu do, by a broker in memory, to be copied with ids of its own."""
        with Connection("memory://") as nowhere:  # type: ignore[no-untyped-call]
            self._app.send_task(
                TICKET_TASK,
                kwargs={"version": TICKET_VERSION, "model": model},
                task_id=NO_ID,
                queue=queue_name(model),
                producer=self._app.amqp.Producer(nowhere),
                retry=False,
            )
            message = nowhere.default_channel._get(queue_name(model))  # as it would lie in Redis
        message["properties"]["delivery_tag"] = NO_ID
        return json.dumps(message)

    def top_up(self, waiting: dict[str, int]) -> int:
        """Send the tickets that are missing for those waiting jobs; returns how many."""
        sent = 0
        for model, jobs in waiting.items():
            with translated():
                missing = min(TOP_UP_AT_MOST, jobs - int(self._redis.llen(queue_name(model))))
            if missing > 0:
                self.send(model, missing)
                sent += missing
        return sent
