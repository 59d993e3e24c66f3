"""Every error Ostinato raises on purpose, as one tree. Owns codes and remedies; knows nothing of HTTP.

    OstinatoError
    ├── RequestError            the caller can mend it
    │   ├── InvalidRequest      one or more fields are wrong; all are reported together
    │   │   ├── InvalidMelody   the uploaded melody cannot be used
    │   │   └── InvalidMix      tracks, levels, panning or effects that cannot be mixed
    │   ├── PayloadTooLarge     the body is over the limit
    │   ├── UnsupportedBody     neither JSON nor a form, or broken JSON
    │   └── UpgradeRequired     a plain request where only a WebSocket can be opened
    ├── NotFound                no such task, or no such audio
    ├── Conflict                the task's state does not allow that
    │   └── IdempotencyConflict an Idempotency-Key was used before with another request
    ├── Unauthorized            no API key, or one that is not right
    │   └── LinkExpired         a signed link that has run out
    ├── Forbidden               a web page from elsewhere asks a server that has no keys
    ├── RateLimited             this account has asked for more than its key allows
    ├── NotServed               a documented route that this version does not serve
    ├── QueueFull               too many jobs wait for this model; try again later
    ├── Unavailable             a part of the system is away
    │   ├── BrokerUnavailable   Redis does not answer
    │   │   └── PoolExhausted   it may well answer, but all of this process's connections to it were in use
    │   ├── StorageUnavailable  the blob store does not answer
    │   ├── ModelNotServed      the model is known, but no worker serves it
    │   └── PromptFilterFailed  the operator's prompt filter raised
    ├── AttemptError            one attempt at a job failed
    │   ├── GenerationFailed    the model raised
    │   ├── UnusableAudio       the audio is silent or not a number
    │   ├── OutOfMemory         the device has no memory for this piece
    │   ├── WorkerLost          the worker died or got stuck, and the attempts are used up
    │   ├── TimedOut            it was not done within its timeout_s
    │   ├── Expired             it did not begin within its ttl_s
    │   ├── PredecessorFailed   a job that it waited for ended without completing
    │   │   └── PartFailed      the same, of a composition, for one of its parts
    │   └── BlobMissing         a stored file is gone, or is not the whole of what was stored
    ├── DeliveryFailed          a webhook's receiver could not be told; it is tried again later
    │   └── AddressRefused      its name leads to a private address
    ├── ClaimLater              this worker is to claim nothing just now: ask again shortly
    ├── StaleAttempt            this attempt no longer owns the job: stop, write nothing
    └── ConfigurationError      boot refuses to go on

Each message names what was wrong and what to do about it. `retryable` says whether the same work may
succeed on another attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.field_errors import Faults, joined
from shared.field_errors import FieldError as FieldError  # named with the errors that carry it


class OstinatoError(Exception):
    """The root. `code` is stable and meant for programs, the message for people who call.

    `str()` is for the log and the operator: the message, or `inner` in its place, which may name what no caller needs
    to know (endpoints, buckets, folders).
    """

    code = "INTERNAL_ERROR"
    retryable = False

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None, inner: str | None = None) -> None:
        super().__init__(inner or message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})


class RequestError(OstinatoError):
    code = "INVALID_REQUEST"


class InvalidRequest(RequestError):
    """All bad fields of one request. The code is the single field's own code when there is only one.

    At most FAULTS_LISTED of them are in `errors`; `more` counts the others, and those that the caller only counted.
    """

    def __init__(self, errors: Sequence[FieldError], more: int = 0) -> None:
        found = Faults(errors, more)
        self.errors, self.more = tuple(found.listed), found.more
        message = joined((f"{e.field}: {e.message}" for e in self.errors), self.more)
        details: dict[str, Any] = {"fields": [e.as_dict() for e in self.errors]}
        super().__init__(message, details=details | ({"more": self.more} if self.more else {}))
        codes = {e.code for e in self.errors}
        self.code = codes.pop() if len(codes) == 1 else "INVALID_REQUEST"


class InvalidMelody(InvalidRequest):
    code = "INVALID_MELODY"

    def __init__(self, message: str, *, value: str = "") -> None:
        super().__init__([FieldError("melody", message, value, "INVALID_MELODY")])


class InvalidMix(InvalidRequest):
    """One or more settings of a mix are wrong; all are reported together."""


class PayloadTooLarge(RequestError):
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedBody(RequestError):
    code = "UNSUPPORTED_BODY"


class UpgradeRequired(RequestError):
    code = "UPGRADE_REQUIRED"


class NotFound(OstinatoError):
    code = "NOT_FOUND"


class Conflict(OstinatoError):
    code = "CONFLICT"


class IdempotencyConflict(Conflict):
    code = "IDEMPOTENCY_CONFLICT"

    def __init__(self, idempotency_key: str) -> None:
        super().__init__(
            f"the Idempotency-Key {idempotency_key!r} was sent before with another request; send a new key with a new "
            "request, or the same request as then"
        )


class Unauthorized(OstinatoError):
    code = "UNAUTHORIZED"


class LinkExpired(Unauthorized):
    code = "LINK_EXPIRED"


class Forbidden(OstinatoError):
    code = "FORBIDDEN"


class RateLimited(OstinatoError):
    code = "RATE_LIMITED"
    retryable = True

    def __init__(self, limit: str, retry_after_s: int) -> None:
        super().__init__(
            f"the limit of {limit} is reached; try again in {retry_after_s} s",
            details={"limit": limit, "retry_after_s": retry_after_s},
        )


class NotServed(OstinatoError):
    code = "NOT_IMPLEMENTED"


class QueueFull(OstinatoError):
    code = "QUEUE_FULL"
    retryable = True

    def __init__(
        self, queue_length: int, limit: int, retry_after_s: int, *, model: str | None = None, needed: int = 1
    ) -> None:
        """What is accepted whole or not at all says which model's queue has no room, and how much it needed."""
        crowded = f" for {model}: {queue_length} wait, and there is no room for {needed} more" if model else ""
        details = {"queue_length": queue_length, "max_queue_length": limit, "retry_after_s": retry_after_s}
        super().__init__(
            f"MAX_QUEUE_LENGTH ({limit}) reached{crowded}; try again in about {retry_after_s} s",
            details=details | ({"model": model, "needed": needed} if model else {}),
        )
        self.queue_length, self.limit, self.model, self.needed = queue_length, limit, model, needed


class Unavailable(OstinatoError):
    code = "UNAVAILABLE"
    retryable = True


class BrokerUnavailable(Unavailable):
    code = "BROKER_UNAVAILABLE"


class PoolExhausted(BrokerUnavailable):
    """No outage: more is asked at once than this process has connections for. Names the pool and its setting."""

    code = "BROKER_POOL_EXHAUSTED"

    def __init__(self, pool: str, connections: int, waited_s: float) -> None:
        super().__init__(
            f"this process is busy: all its connections to the broker (pool {pool!r}, REDIS_POOL_SIZE={connections}) "
            f"were in use for {waited_s:g} s; try again shortly. The operator raises REDIS_POOL_SIZE or adds processes",
            details={"pool": pool, "connections": connections},
        )


class StorageUnavailable(Unavailable):
    code = "STORAGE_UNAVAILABLE"


class ModelNotServed(Unavailable):
    code = "MODEL_NOT_SERVED"

    def __init__(self, model: str, served: Sequence[str]) -> None:
        listed = ", ".join(served) or "none"
        super().__init__(
            f"no worker serves the model {model!r} now; served: {listed}. Ask for one of these, or start a worker "
            f"with MODEL={model}",
            details={"model": model, "served": list(served)},
        )


class PromptFilterFailed(Unavailable):
    code = "PROMPT_FILTER_FAILED"


class AttemptError(OstinatoError):
    code = "ATTEMPT_FAILED"


class GenerationFailed(AttemptError):
    code = "GENERATION_FAILED"
    retryable = True


class UnusableAudio(AttemptError):
    code = "UNUSABLE_AUDIO"
    retryable = True


class OutOfMemory(AttemptError):
    code = "OUT_OF_MEMORY"
    retryable = True


class WorkerLost(AttemptError):
    code = "WORKER_LOST"


class TimedOut(AttemptError):
    code = "TIMEOUT"


class Expired(AttemptError):
    code = "EXPIRED"


class PredecessorFailed(AttemptError):
    code = "PREDECESSOR_FAILED"


class PartFailed(PredecessorFailed):
    code = "PART_FAILED"


class BlobMissing(AttemptError):
    code = "BLOB_MISSING"


class DeliveryFailed(OstinatoError):
    code = "DELIVERY_FAILED"
    retryable = True


class AddressRefused(DeliveryFailed):
    code = "ADDRESS_REFUSED"


class ClaimLater(OstinatoError):
    code = "CLAIM_LATER"
    retryable = True


class StaleAttempt(OstinatoError):
    code = "STALE_ATTEMPT"


class ConfigurationError(OstinatoError):
    code = "CONFIGURATION_ERROR"
