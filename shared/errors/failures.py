"""End work that was begun: an attempt at a job, a delivery, a claim, the boot of a process."""

from __future__ import annotations

from shared.errors.base import OstinatoError


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


class FormatUnavailable(AttemptError):
    """Say that this worker cannot write the format asked for: it has no program that does, or that failed."""

    code = "FORMAT_UNAVAILABLE"
    retryable = True


class WorkerLost(AttemptError):
    code = "WORKER_LOST"


class TimedOut(AttemptError):
    code = "TIMEOUT"


class Expired(AttemptError):
    code = "EXPIRED"


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


class RecordTooNew(OstinatoError):
    """Say that a job's record was written by a later version of Ostinato than this process runs."""

    code = "RECORD_TOO_NEW"


class ConfigurationError(OstinatoError):
    code = "CONFIGURATION_ERROR"
