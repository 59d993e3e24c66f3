"""Keep what is still to be sent to webhooks' receivers, and what became of each, in Redis.

Transitions push what is due (shared/jobs/store.py); here it is claimed for a while, settled, and read. One delivery
per job and event: its id never changes, however often it is tried. Knows nothing of HTTP.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.lua_scripts import LuaScripts
from shared.settings import Settings

TRIES_KEPT = 20
PER_RECEIVER = 4  # connections to one receiver at once, over all dispatchers
MARGIN_S = 2.0  # a try is over within WEBHOOK_TIMEOUT_S, and then has to be settled


class State(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # given up: tried over the whole WEBHOOK_RETRY_SPAN_S
    GONE = "gone"  # the receiver answered 410: it wants no more


@dataclass(frozen=True)
class Try:
    """Hold one request to the receiver. `at` is UNIX seconds; `status` None means that there was no response."""

    at: float
    duration_s: float
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Delivery:
    """Hold one event of one job on its way to one receiver."""

    job_id: str
    event: str
    at: float  # when the event happened
    state: State = State.PENDING
    tried: int = 0
    tries: tuple[Try, ...] = ()  # the latest of them
    next_at: float | None = None

    @property
    def webhook_id(self) -> str:
        return f"msg_{self.job_id}_{self.event}"

    def after(self, latest: Try, state: State, next_at: float | None) -> Delivery:
        tries = (*self.tries, latest)[-TRIES_KEPT:]
        return replace(self, state=state, tried=self.tried + 1, tries=tries, next_at=next_at)

    def as_record(self) -> str:
        record = {"at_ms": round(self.at * 1000), "state": self.state, "tried": self.tried, "next_at": self.next_at}
        return json.dumps(record | {"tries": [asdict(one) for one in self.tries]})

    @classmethod
    def from_record(cls, job_id: str, event: str, text: str) -> Delivery:
        record = json.loads(text)
        tries = tuple(Try(**one) for one in record.get("tries", ()))
        state = State(record.get("state", State.PENDING))
        return cls(job_id, event, record["at_ms"] / 1000, state, record.get("tried", 0), tries, record.get("next_at"))


@dataclass(frozen=True)
class Claim:
    """Hold a delivery that is this dispatcher's alone until the lease ends, and who it goes to."""

    delivery: Delivery
    member: str
    receiver: str
    lease_end: str
    at: float  # when: UNIX seconds by the clock of the Redis server, as all times in records


class DeliveryQueue:
    """Queue deliveries, one queue for each receiver.

    All methods raise BrokerUnavailable when Redis does not respond in time.
    """

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._keys = RedisKeys(root)
        self._lease_s = settings.webhook_timeout_s + MARGIN_S
        self._ttl_s = settings.result_ttl_s + round(settings.webhook_retry_span_s) + 3600
        self._scripts = LuaScripts(client, root)

    def claim(self, most: int) -> list[Claim]:
        """Claim up to so many deliveries that are due: they are this caller's alone until their lease ends."""
        flat = self._scripts.run("claim_deliveries", round(self._lease_s * 1000), most, PER_RECEIVER, self._ttl_s)
        return [self._claim(*flat[start : start + 4]) for start in range(0, len(flat), 4)]

    def settle(self, claim: Claim, delivery: Delivery) -> bool:
        """Record what became of a try: due again at `next_at`, or done with. False when the lease had run out."""
        next_ms = "" if delivery.next_at is None else round(delivery.next_at * 1000)
        record = (claim.member, claim.receiver, claim.lease_end, next_ms, delivery.as_record())
        return bool(self._scripts.run("settle_delivery", *record, PER_RECEIVER, self._ttl_s) == "ok")

    def of(self, job_id: str) -> list[Delivery]:
        """Return every delivery of that job that a dispatcher has seen, in the order of the events."""
        with translated():
            records = self._redis.hgetall(self._keys.deliveries(job_id))
        found = [Delivery.from_record(job_id, event, text) for event, text in records.items()]
        return sorted(found, key=lambda delivery: delivery.at)

    def backlog(self) -> int:
        """Return how many deliveries wait or are being sent."""
        with translated():
            receivers = self._redis.zrange(self._keys.receivers(), 0, -1)
            pipe = self._redis.pipeline(transaction=False)
            pipe.zcard(self._keys.webhooks_due())
            for receiver in receivers:
                pipe.zcard(self._keys.receiver_queue(receiver))
                pipe.zcard(self._keys.receiver_sending(receiver))
            return sum(pipe.execute())

    def _claim(self, member: str, receiver: str, lease_end: str, record: str) -> Claim:
        job_id, event, at_ms = member.rsplit("|", 2)
        # the record is missing only when the job was purged meanwhile
        delivery = Delivery.from_record(job_id, event, record or json.dumps({"at_ms": int(at_ms)}))
        return Claim(delivery, member, receiver, lease_end, int(lease_end) / 1000 - self._lease_s)
