"""What comes over a WebSocket is counted like a body: few faults, small refusals, and the connection stays."""

from __future__ import annotations

import json

import pytest

from tests.api.hostile import of_fields
from tests.api.streaming.conftest import Server, heard

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("streams, served")]

START = {"type": "generate", "prompt": "x"}
MESSAGES = [
    (json.dumps(START | of_fields(99)), "UNKNOWN_FIELD", "and 78 more"),
    (json.dumps(START | of_fields(100)), "TOO_MANY_FIELDS", "more than 100 fields"),
    (json.dumps(START | of_fields(4000)), "TOO_MANY_FIELDS", "more than 100 fields"),
    (json.dumps(START | {"seed": [0] * 20_000}), "TOO_MANY_FIELDS", "more than 100 fields"),
    (json.dumps(START)[:-1] + ', "seed": ' + "[" * 32 + "]" * 32 + "}", "TOO_DEEP", "32 levels"),
    (json.dumps(START)[:-1] + ', "seed": ' + "9" * 5000 + "}", "INVALID_REQUEST", "seed"),
    (json.dumps(START | {"prompt": "\u3164\u2800"}), "INVALID_PROMPT", "Prompt cannot be empty"),
]


def test_hostile_messages_are_refused_in_few_words_and_the_connection_stays(server: Server) -> None:
    with server.open() as connection:
        for message, code, words in MESSAGES:
            connection.send(message)
            answer = heard(connection)
            assert (answer["type"], answer["error"]["code"]) == ("error", code), message[:80]
            assert words in answer["error"]["message"], message[:80]
            assert len(json.dumps(answer)) <= 64 * 1024
            assert len(answer["error"]["details"].get("fields", [])) <= 20
        connection.send(json.dumps(START | {"duration": 1}))
        assert heard(connection)["type"] == "accepted"
