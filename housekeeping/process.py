"""How the housekeeping process is put together from its parts. Does no work of its own."""

from __future__ import annotations

from housekeeping.cleaner import Cleaner
from housekeeping.delivery_attempt import DeliveryAttempt
from housekeeping.dispatcher import THREADS, Dispatcher
from housekeeping.outside_blobs import OutsideBlobs
from housekeeping.payloads import PayloadBuilder
from housekeeping.safe_http import SafeHttpClient
from housekeeping.webhook_secrets import Secrets
from shared.accounts.bandwidth import Bandwidth
from shared.accounts.key_states import KeyStates
from shared.accounts.signed_urls import Signer
from shared.broker.connection import ROOT_KEY, connect
from shared.broker.counters import Counters
from shared.broker.leader_lock import LeaderLock
from shared.broker.pool_waits import count_waits
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import open_storage
from shared.webhooks.delivery_queue import DeliveryQueue


def make_parts(settings: Settings) -> tuple[Dispatcher, Cleaner]:
    """To be started and stopped by the caller."""
    client = connect(settings, name="housekeeping", at_once=THREADS + 8)  # and the loops beside them
    count_waits(client)
    store, storage, counters = JobStore(client, settings), open_storage(settings), Counters(client)
    deliveries = DeliveryQueue(client, settings)
    courier = DeliveryAttempt(
        deliveries,
        store,
        PayloadBuilder(
            storage,
            Signer(client, settings.link_ttl_s),
            KeyStates(client),
            Bandwidth(client, settings.presigned_ttl_s(locked=True)),
            settings,
            store,
            client,
        ),
        SafeHttpClient(timeout_s=settings.webhook_timeout_s, allow_private=settings.webhook_allow_private),
        Secrets(client, settings.webhook_secret),
        span_s=settings.webhook_retry_span_s,
    )
    leadership = LeaderLock(client, f"{ROOT_KEY}:cleaner", ttl_s=1.5 * settings.clean_every_s)
    outside = OutsideBlobs(client, store, storage)
    cleaner = Cleaner(store, storage, outside, leadership, counters, settings)
    return Dispatcher(deliveries, courier, counters), cleaner
