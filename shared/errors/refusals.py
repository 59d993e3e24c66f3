"""Refuse a request: its caller can mend it, has no right to it, or comes again later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.errors.base import OstinatoError
from shared.errors.field_errors import Faults, FieldError, joined


class RequestError(OstinatoError):
    code = "INVALID_REQUEST"


class InvalidRequest(RequestError):
    """List all bad fields of one request. The code is the single field's own code when there is only one.

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
    """List all wrong settings of a mix together."""


class PayloadTooLarge(RequestError):
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedBody(RequestError):
    code = "UNSUPPORTED_BODY"


class UpgradeRequired(RequestError):
    code = "UPGRADE_REQUIRED"


class NotFound(OstinatoError):
    code = "NOT_FOUND"


class LinkGone(NotFound):
    code = "LINK_GONE"


class Conflict(OstinatoError):
    code = "CONFLICT"


class QuotaUsedUp(Conflict):
    code = "QUOTA_USED_UP"


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
        """Say which model's queue is full, and how much was needed where it is all or nothing."""
        crowded = f" for {model}: {queue_length} wait, and there is no room for {needed} more" if model else ""
        details = {"queue_length": queue_length, "max_queue_length": limit, "retry_after_s": retry_after_s}
        super().__init__(
            f"MAX_QUEUE_LENGTH ({limit}) reached{crowded}; try again in about {retry_after_s} s",
            details=details | ({"model": model, "needed": needed} if model else {}),
        )
        self.queue_length, self.limit, self.model, self.needed = queue_length, limit, model, needed
