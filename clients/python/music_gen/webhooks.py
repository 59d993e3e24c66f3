"""Verify that a webhook is the server's: the receiver's side of Standard Webhooks, in the standard library alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

from music_gen.errors import InvalidWebhook
from music_gen.types import Task, Webhook

PREFIX = "whsec_"
TOLERANCE_S = 300.0


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> Webhook:
    """Verify a webhook and return what it says. `body` as it came, not parsed; two secrets while one is replaced.

    Raises InvalidWebhook unless it was signed with one of them, at most `tolerance_s` ago. A webhook may come more than
    once, always with the same `id`: keep those that you have handled.
    """
    raw = body.encode() if isinstance(body, str) else bytes(body)
    sent = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not sent.get(name)]
    if missing:
        raise InvalidWebhook(f"{', '.join(missing)} is missing: unsigned, or the headers were not handed on")
    webhook_id, timestamp = sent["webhook-id"], sent["webhook-timestamp"]
    _check_time(timestamp, tolerance_s, time.time() if now is None else now)
    given = {part for part in sent["webhook-signature"].split() if part.startswith("v1,")}
    message = b".".join((webhook_id.encode(), timestamp.encode(), raw))
    right = [_signature(each, message) for each in ([secret] if isinstance(secret, str) else secret)]
    # every pair is compared, each in constant time
    if not any([hmac.compare_digest(one.encode(), other.encode()) for one in given for other in right]):  # noqa: C419
        raise InvalidWebhook("no signature is by this secret: another secret, or another body than was sent")
    return _read(webhook_id, raw)


def _check_time(timestamp: str, tolerance_s: float, now: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise InvalidWebhook(f"webhook-timestamp is {timestamp[:40]!r}, and must be whole seconds since 1970")
    if abs(now - int(timestamp)) > tolerance_s:
        raise InvalidWebhook(
            f"it was sent {now - int(timestamp):.0f} s ago, and {tolerance_s:g} s are allowed: a replay, a wrong clock?"
        )


def _signature(secret: str, message: bytes) -> str:
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(f"the secret must be {PREFIX} and base64, as the server's WEBHOOK_SECRET is")
    return "v1," + b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def _read(webhook_id: str, raw: bytes) -> Webhook:
    try:
        event = json.loads(raw)
        return Webhook(webhook_id, event["type"], event["timestamp"], Task.from_answer(event["data"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidWebhook(f"signed, but not a task's webhook: {error!r}") from error
