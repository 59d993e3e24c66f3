"""Wire the housekeeping process from its parts. Does no work of its own."""

from __future__ import annotations

from housekeeping.cleaner import Cleaner
from housekeeping.outside_blobs import OutsideBlobs
from housekeeping.webhooks.delivery_attempt import DeliveryAttempt
from housekeeping.webhooks.dispatcher import THREADS, Dispatcher
from housekeeping.webhooks.payloads import PayloadBuilder
from housekeeping.webhooks.safe_http import SafeHttpClient
from housekeeping.webhooks.signing_secrets import WebhookSecrets
from shared.accounts.bandwidth import Bandwidth
from shared.accounts.key_states import KeyStates
from shared.accounts.signed_urls import Signer
from shared.broker.connection import connect
from shared.broker.counters import Counters
from shared.broker.keys import REDIS_KEYS
from shared.broker.leader_lock import LeaderLock
from shared.broker.pool_waits import count_waits
from shared.jobs.blob_references import BlobReferences
from shared.jobs.reader import JobReader
from shared.settings import Settings
from shared.storage import open_storage
from shared.webhooks.delivery_queue import DeliveryQueue


def make_parts(settings: Settings) -> tuple[Dispatcher, Cleaner]:
    """Return what sends webhooks and what cleans the store; the caller starts and stops them."""
    client = connect(settings, name="housekeeping", at_once=THREADS + 8)  # and the loops beside them
    count_waits(client)
    reader, storage, counters = JobReader(client, settings), open_storage(settings), Counters(client)
    deliveries = DeliveryQueue(client, settings)
    delivery_attempt = DeliveryAttempt(
        deliveries,
        reader,
        PayloadBuilder(
            storage,
            Signer(client, settings.link_ttl_s),
            KeyStates(client),
            Bandwidth(client, settings.presigned_ttl_s(locked=True)),
            settings,
            reader,
            client,
        ),
        SafeHttpClient(timeout_s=settings.webhook_timeout_s, allow_private=settings.webhook_allow_private),
        WebhookSecrets(client, settings.webhook_secret),
        span_s=settings.webhook_retry_span_s,
    )
    leader_lock = LeaderLock(client, REDIS_KEYS.cleaner_lock(), ttl_s=1.5 * settings.clean_every_s)
    references = BlobReferences(client)
    outside = OutsideBlobs(client, references, storage)
    cleaner = Cleaner(references, storage, outside, leader_lock, counters, settings)
    return Dispatcher(deliveries, delivery_attempt, counters), cleaner
