"""Define every error that this package raises on purpose, as one tree. Knows the API's codes.

MusicGenError
├── ApiError                the server's answer was an error: status, code, details
│   ├── InvalidRequest      what was sent is wrong: `fields` names each bad one (also raised without a server)
│   │   └── IdempotencyConflict   the key was used before, with another request
│   ├── Unauthorized        no key, or one that is not right
│   ├── PermissionDenied    a right key that may not do that
│   ├── NotFound            no such task, or another account's
│   ├── Conflict            the task's state does not allow that
│   ├── RateLimited         more than the key allows; `retry_after_s`
│   │   └── QueueFull       too many jobs wait for this model
│   ├── NotServed           a route that this server's version does not have yet
│   └── ServerError         5xx
│       └── Unavailable     a part of the server is away, or no worker has this model
├── ConnectionFailed        no answer came, however often it was tried
├── UnexpectedAnswer        an answer, but not this API's
├── GenerationFailed        the music could not be made; `code`, and the `task` if there is one
│   └── BatchFailed         ... not all of it; the `batch` has what was
├── TaskCancelled           somebody cancelled it
├── TaskGone                its record was purged, or its retention time is over
├── StillRunning            your patience is over, the task goes on
├── InvalidWebhook          not signed with your secret, or not now
├── PlayerMissing           nothing here can play sound
├── DecoderMissing          nothing here can read the samples of that format
└── LocalUnavailable        the engine cannot be had in this process
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from music_gen.types import Batch, Task


class MusicGenError(Exception):
    """Be the root of the tree. The message is for people."""


class ApiError(MusicGenError):
    """Carry a refusal's code; `status` is None where no server was asked."""

    def __init__(
        self, message: str, *, status: int | None = None, code: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.details: dict[str, Any] = dict(details or {})


class InvalidRequest(ApiError):
    @classmethod
    def of(cls, *faults: Mapping[str, str]) -> Self:
        """Make one that names each bad field as a server does: `field`, `message`, `value`."""
        message = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        code = faults[0].get("code", "INVALID_REQUEST") if len(faults) == 1 else "INVALID_REQUEST"
        return cls(message, code=code, details={"fields": [dict(fault) for fault in faults]})

    @property
    def fields(self) -> dict[str, str]:
        """Return each bad field, and what is wrong with it."""
        return {each["field"]: each["message"] for each in self.details.get("fields", [])}


class IdempotencyConflict(InvalidRequest):
    pass


class Unauthorized(ApiError):
    pass


class PermissionDenied(ApiError):
    pass


class NotFound(ApiError):
    pass


class Conflict(ApiError):
    pass


class RateLimited(ApiError):
    retry_after_s: float = 0.0


class QueueFull(RateLimited):
    pass


class NotServed(ApiError):
    pass


class ServerError(ApiError):
    pass


class Unavailable(ServerError):
    pass


class ConnectionFailed(MusicGenError):
    pass


class UnexpectedAnswer(MusicGenError):
    pass


class GenerationFailed(MusicGenError):
    def __init__(self, message: str, *, code: str = "", task: Task | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.task = task


class BatchFailed(GenerationFailed):
    def __init__(self, batch: Batch) -> None:
        bad = [task for task in batch.tasks if task.status != "completed"]
        first = f"{bad[0].status}: {bad[0].error}" if bad[0].error else bad[0].status
        super().__init__(f"{len(bad)} of {len(batch.tasks)} clips were not made; the first is {first}", task=bad[0])
        self.batch = batch


class TaskCancelled(MusicGenError):
    pass


class TaskGone(MusicGenError):
    pass


class StillRunning(MusicGenError):
    def __init__(self, what: str, patience_s: float) -> None:
        super().__init__(f"{what} is not done after {patience_s:g} s; it goes on: wait for it again, or cancel it")


class InvalidWebhook(MusicGenError):
    pass


class DecoderMissing(MusicGenError):
    pass


class PlayerMissing(MusicGenError):
    pass


class LocalUnavailable(MusicGenError):
    pass


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    501: NotServed,
    503: Unavailable,
}
_BY_CODE: dict[str, type[ApiError]] = {"IDEMPOTENCY_CONFLICT": IdempotencyConflict, "QUEUE_FULL": QueueFull}


def kind_of(status: int, code: str) -> type[ApiError]:
    """Return the class for a response of that status and code."""
    return _BY_CODE.get(code) or _BY_STATUS.get(status) or (ServerError if status >= 500 else ApiError)
