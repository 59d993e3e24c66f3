"""Hold what the operator's routes are built from: what they show, and what they do. One of each per process."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from api.auth.key_admin import KeyAdmin
from api.auth.keys import Keys
from shared.admin.job_listing import JobListing
from shared.admin.job_story import Stories
from shared.admin.minute_counts import MinuteHistory
from shared.admin.operator import Operator
from shared.admin.queue_states import QueueStates
from shared.admin.worker_states import WorkerStates
from shared.jobs.event_log import EventLog
from shared.settings import Settings
from shared.storage import Storage
from shared.webhooks.delivery_queue import DeliveryQueue


@dataclass(frozen=True)
class Administration:
    operator: Operator
    keys: Keys
    key_admin: KeyAdmin
    workers: WorkerStates
    queues: QueueStates
    history: MinuteHistory
    listing: JobListing
    stories: Stories
    deliveries: DeliveryQueue


def make_administration(
    client: redis.Redis,
    settings: Settings,
    keys: Keys,
    event_log: EventLog,
    deliveries: DeliveryQueue,
    storage: Storage,
) -> Administration:
    operator = Operator(client, settings, storage=storage)
    return Administration(
        operator=operator,
        keys=keys,
        key_admin=KeyAdmin(keys, operator.store, operator.audit_log),
        workers=WorkerStates(client, settings),
        queues=QueueStates(client, settings),
        history=MinuteHistory(client, settings),
        listing=JobListing(client),
        stories=Stories(event_log, deliveries, operator.audit_log),
        deliveries=deliveries,
    )
