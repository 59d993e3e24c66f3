"""Define the root of Ostinato's errors: a stable code, whether to try again, a message and details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OstinatoError(Exception):
    """Be the root of all errors. `code` is stable and meant for programs, the message for people who call.

    `str()` is for the log and the operator: the message, or `inner` in its place, which may name what no caller needs
    to know (endpoints, buckets, folders).
    """

    code = "INTERNAL_ERROR"
    retryable = False

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None, inner: str | None = None) -> None:
        super().__init__(inner or message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
