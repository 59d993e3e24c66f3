"""Name the errors that Ostinato raises on purpose, as one tree. Owns codes and remedies; knows nothing of HTTP.

    OstinatoError
    ├── RequestError            the caller can mend it
    │   ├── InvalidRequest      one or more fields are wrong; all are reported together
    │   │   ├── InvalidMelody   the uploaded melody cannot be used
    │   │   └── InvalidMix      tracks, levels, panning or effects that cannot be mixed
    │   ├── PayloadTooLarge     the body is over the limit
    │   ├── UnsupportedBody     neither JSON nor a form, or broken JSON
    │   └── UpgradeRequired     a plain request where only a WebSocket can be opened
    ├── NotFound                no such task, or no such audio
    │   └── LinkGone            a link that shared a task has run out, or was withdrawn
    ├── Conflict                the task's state does not allow that
    │   ├── QuotaUsedUp         the account keeps as many of these as it may
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
    │   ├── FormatUnavailable   this worker cannot write the format asked for
    │   ├── WorkerLost          the worker died or got stuck, and the attempts are used up
    │   ├── TimedOut            it was not done within its timeout_s
    │   ├── Expired             it did not begin within its ttl_s
    │   └── BlobMissing         a stored file is gone, or is not the whole of what was stored
    ├── DeliveryFailed          a webhook's receiver could not be told; it is tried again later
    │   └── AddressRefused      its name leads to a private address
    ├── ClaimLater              this worker is to claim nothing just now: ask again shortly
    ├── StaleAttempt            this attempt no longer owns the job: stop, write nothing
    ├── RecordTooNew            a later version of Ostinato wrote the record
    └── ConfigurationError      boot refuses to go on

Each message names what was wrong and what to do about it. `retryable` says whether the same work may
succeed on another attempt. A job whose predecessor or part ended without completing fails with PREDECESSOR_FAILED or
PART_FAILED, which only the scripts write (jobs/lua/includes/dependencies.lua).
"""

from __future__ import annotations

from shared.errors.base import OstinatoError
from shared.errors.failures import (
    AddressRefused,
    AttemptError,
    BlobMissing,
    ClaimLater,
    ConfigurationError,
    DeliveryFailed,
    Expired,
    FormatUnavailable,
    GenerationFailed,
    OutOfMemory,
    RecordTooNew,
    StaleAttempt,
    TimedOut,
    UnusableAudio,
    WorkerLost,
)
from shared.errors.field_errors import FieldError
from shared.errors.outages import (
    BrokerUnavailable,
    ModelNotServed,
    PoolExhausted,
    PromptFilterFailed,
    StorageUnavailable,
    Unavailable,
)
from shared.errors.refusals import (
    Conflict,
    Forbidden,
    IdempotencyConflict,
    InvalidMelody,
    InvalidMix,
    InvalidRequest,
    LinkExpired,
    LinkGone,
    NotFound,
    NotServed,
    PayloadTooLarge,
    QueueFull,
    QuotaUsedUp,
    RateLimited,
    RequestError,
    Unauthorized,
    UnsupportedBody,
    UpgradeRequired,
)

__all__ = [
    "AddressRefused",
    "AttemptError",
    "BlobMissing",
    "BrokerUnavailable",
    "ClaimLater",
    "ConfigurationError",
    "Conflict",
    "DeliveryFailed",
    "Expired",
    "FieldError",
    "Forbidden",
    "FormatUnavailable",
    "GenerationFailed",
    "IdempotencyConflict",
    "InvalidMelody",
    "InvalidMix",
    "InvalidRequest",
    "LinkExpired",
    "LinkGone",
    "ModelNotServed",
    "NotFound",
    "NotServed",
    "OstinatoError",
    "OutOfMemory",
    "PayloadTooLarge",
    "PoolExhausted",
    "PromptFilterFailed",
    "QueueFull",
    "QuotaUsedUp",
    "RateLimited",
    "RecordTooNew",
    "RequestError",
    "StaleAttempt",
    "StorageUnavailable",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "UnsupportedBody",
    "UnusableAudio",
    "UpgradeRequired",
    "WorkerLost",
]
