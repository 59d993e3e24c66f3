"""Tell what came of a call that is no success: the error that it is, and whether it is tried again."""

from __future__ import annotations

from typing import Any

import httpx

from music_gen.errors import ConnectionFailed, MusicGenError, RateLimited, UnexpectedAnswer, kind_of
from music_gen.remote.retry import Outcome, RetrySchedule, retry_after_s


def wait_s(schedule: RetrySchedule, broken: Outcome) -> float:
    """Return the wait before a broken stream is opened again. Raises its error where that is in vain."""
    wait_s = schedule.wait_s(broken)
    if wait_s is None:
        raise error_of(broken)
    return wait_s


def error_of(outcome: Outcome) -> MusicGenError:
    """Return the error of an outcome that is no success."""
    where = f"{outcome.request.method} {outcome.request.url}"
    if not isinstance(outcome, httpx.Response):
        why = str(outcome) or type(outcome).__name__
        return ConnectionFailed(f"{where}: {why}; does it run, and is that its address?")
    said = _error_in(outcome)
    if said is None:
        what = f"{where} answered {outcome.status_code}"
        return UnexpectedAnswer(f"{what}, not as this API does: {outcome.text[:200]!r}; check base_url")
    kind = kind_of(outcome.status_code, said["code"])
    error = kind(said["message"], status=outcome.status_code, code=said["code"], details=said["details"])
    if isinstance(error, RateLimited):
        error.retry_after_s = retry_after_s(outcome) or 0.0
    return error


def _error_in(response: httpx.Response) -> dict[str, Any] | None:
    """Return code, message and details of an error, which a refused poll has in the fields of a failed task."""
    try:
        body = response.json()
        error = body["error"]
        if isinstance(error, str):
            error = {"code": body["error_code"], "message": error, "details": body["error_details"]}
    except (ValueError, KeyError, TypeError):
        return None
    complete = isinstance(error, dict) and {"code", "message", "details"} <= error.keys()
    return error if complete else None
