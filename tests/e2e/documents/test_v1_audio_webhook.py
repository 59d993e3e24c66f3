"""Try the webhook of /v1/audio/music on real parts: 202 at once, and later the envelope, posted and signed."""

from __future__ import annotations

import httpx
import pytest
from standardwebhooks import Webhook as Verifier

from shared.version import VERSION
from tests.e2e.documents.conftest import WEBHOOK_SECRET, Door, heard
from tests.e2e.documents.test_v1_audio import BASIC, ENVELOPE, EXAMPLES, KEY, PATH, RESPONSE
from tests.housekeeping.webhooks.receiver import Seen, Server

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]


def test_with_a_webhook_the_answer_is_202_and_the_envelope_follows_signed(open_door: Door, hooks: Server) -> None:
    body = EXAMPLES[1] | {"duration": 1, "webhook_url": hooks.url("/webhook")}
    answer = open_door.http.post(PATH, json=body)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert accepted.pop("pid") in open_door.pids()
    assert accepted == {
        "code": 202,
        "id": "music-gen-123",
        "job_id": accepted["job_id"],
        "message": "processing",
        "queue_length": accepted["queue_length"],
        "max_queue_length": 100,
        "build_number": VERSION,
    }
    assert accepted["queue_length"] in (0, 1)
    envelope = posted(open_door, hooks, "/webhook").data
    assert (list(envelope), list(envelope["response"])) == (ENVELOPE, RESPONSE)
    assert (envelope["code"], envelope["id"], envelope["job_id"]) == (200, "music-gen-123", accepted["job_id"])
    audio = httpx.get(envelope["response"]["output_url"])
    assert audio.headers["Content-Type"] == "audio/mpeg"
    assert len(audio.content) == envelope["response"]["file_size"]
    assert heard(audio.content)[::2] == (1, 32_000)


def test_a_line_that_grows_is_told_and_a_cancelled_job_is_posted_as_a_failure(locked: Door, hooks: Server) -> None:
    """Submit to medium, which no worker serves here."""
    key = {"x-api-key": KEY}
    body = EXAMPLES[1] | {"webhook_url": hooks.url("/failures")}
    told = [locked.http.post(PATH, json=body, headers=key).json() for _ in range(2)]
    assert told[1]["queue_length"] == told[0]["queue_length"] + 1
    for answer in told:
        assert locked.http.delete(f"/tasks/{answer['job_id']}", headers=key).status_code == 200
    envelope = posted(locked, hooks, "/failures").data
    assert (envelope["code"], envelope["message"]) == (500, "Music generation failed")
    assert (envelope["id"], envelope["error"]) == ("music-gen-123", "the task was cancelled")


def posted(door: Door, hooks: Server, path: str) -> Seen:
    door.stack.wait_for(lambda: hooks.seen[path], "the webhook")
    seen = hooks.seen[path][0]
    Verifier(WEBHOOK_SECRET).verify(seen.body, seen.headers)
    return seen


def test_with_keys_the_webhooks_link_is_signed_as_well(locked: Door, hooks: Server) -> None:
    body = BASIC | {"duration": 1, "webhook_url": hooks.url("/signed")}
    assert locked.http.post(PATH, json=body, headers={"x-api-key": KEY}).status_code == 202
    link = httpx.URL(posted(locked, hooks, "/signed").data["response"]["output_url"])
    # PUBLIC_URL is the other API's, which asks nobody for a key
    assert heard(locked.http.get(link.raw_path.decode()).content) == (1, 1.0, 32_000)
    assert locked.http.get(link.path).status_code == 401
