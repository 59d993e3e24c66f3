"""Try verify_webhook on what the service itself signs, and on the specification's example."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from music_gen import errors, verify_webhook

from housekeeping.webhooks.signing import make_headers

SECRET, OTHER = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
NOW = 1_800_000_000.0
TASK = {"task_id": "t1", "status": "completed", "prompt": "café", "seed": 7, "duration": 2.0}
BODY = json.dumps({"type": "task.completed", "timestamp": "2026-01-01T00:00:00.000Z", "data": TASK}).encode()


def headers_of(*secrets: str, body: bytes = BODY, at: float | None = None) -> dict[str, str]:
    return make_headers(secrets, "msg_t1_completed", datetime.fromtimestamp(at or time.time(), UTC), body)


def test_what_the_server_signed_is_accepted_and_read() -> None:
    hook = verify_webhook(BODY, headers_of(SECRET), SECRET)
    assert (hook.id, hook.type) == ("msg_t1_completed", "task.completed")
    assert (hook.task.id, hook.task.seed, hook.task.prompt) == ("t1", 7, "café")
    shouting = {name.upper(): value for name, value in headers_of(SECRET).items()}
    assert verify_webhook(BODY.decode(), shouting, SECRET) == hook


def test_the_specifications_own_signature_is_right() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with pytest.raises(errors.InvalidWebhook, match="signed, but not a task's"):
        verify_webhook(b'{"test": 2432232314}', headers, secret, now=1614265330)


def test_while_secrets_change_either_is_enough_on_either_side() -> None:
    assert verify_webhook(BODY, headers_of(OTHER, SECRET), SECRET).task.id == "t1"
    assert verify_webhook(BODY, headers_of(OTHER), [SECRET, OTHER]).task.id == "t1"


@pytest.mark.parametrize("age_s", [-300, 300])
def test_what_is_too_old_or_from_the_future_is_refused(age_s: int) -> None:
    headers = headers_of(SECRET, at=NOW - age_s)
    assert verify_webhook(BODY, headers, SECRET, now=NOW).task.id == "t1"
    with pytest.raises(errors.InvalidWebhook, match="replay"):
        verify_webhook(BODY, headers, SECRET, now=NOW + (1 if age_s > 0 else -1))


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "msg_other"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2,naïve"},
        {"webhook-timestamp": "now"},
    ],
)
def test_a_changed_header_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(errors.InvalidWebhook):
        verify_webhook(BODY, headers_of(SECRET) | changes, SECRET)


def test_another_body_an_unsigned_one_and_another_secret_are_refused() -> None:
    for body, headers, secret in (
        (BODY + b" ", headers_of(SECRET), SECRET),
        (BODY, headers_of(), SECRET),
        (BODY, headers_of(SECRET), OTHER),
    ):
        with pytest.raises(errors.InvalidWebhook):
            verify_webhook(body, headers, secret)
    with pytest.raises(ValueError, match="whsec_"):
        verify_webhook(BODY, headers_of(SECRET), "not base64!")
