"""How many streams an account holds open at once in one API process."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from api.dialects.musicgen_ai.websocket import Upgraded
from shared.settings import Settings

# Streams of one thread are closed in the reverse order: each has a context of its request on top of those before.
Opener = Callable[..., FlaskClient]
MOST = 2


def submitted(api: FlaskClient, **how: Any) -> str:
    answer = api.post("/tasks", json={"prompt": "calm piano", "stream": True}, **how)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["status_url"])


def test_an_account_that_holds_its_most_streams_open_is_refused_one_more_until_one_is_closed(
    open_api: Opener, make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    mine, theirs = ({"headers": {"X-API-Key": Keys(client).create(name, Allowance())[0]}} for name in "ab")
    api = open_api(make_settings(max_open_streams=MOST))
    task = submitted(api, **mine)
    events, sound = (api.get(f"{task}/{kind}", **mine, buffered=False) for kind in ("events", "stream"))
    assert (events.status_code, sound.status_code) == (200, 200)
    for kind in ("events", "stream"):
        refused = api.get(f"{task}/{kind}", **mine)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert f"{MOST} open streams" in refused.get_json()["error"]["message"]
    assert api.head(f"{task}/stream", **mine).status_code == 200, "nothing stays open"
    other = api.get(f"{submitted(api, **theirs)}/events", **theirs, buffered=False)
    assert other.status_code == 200, "another account is not kept out"
    other.close()
    sound.close()
    again = api.get(f"{task}/events", **mine, buffered=False)
    assert again.status_code == 200
    again.close()
    events.close()


def test_without_keys_any_number_is_held_open(open_api: Opener, make_settings: Callable[..., Settings]) -> None:
    api = open_api(make_settings(max_open_streams=MOST))
    task = submitted(api)
    streams = [api.get(f"{task}/events", buffered=False) for _ in range(MOST + 1)]
    assert {stream.status_code for stream in streams} == {200}
    for stream in reversed(streams):
        stream.close()


def test_a_websocket_counts_until_it_is_over() -> None:
    ours, peer = socket.socketpair()
    peer.close()
    left: list[str] = []
    answer = Upgraded(lambda _: None)
    answer.call_on_close(lambda: left.append("its stream"))
    with pytest.raises(StopIteration):
        answer({"gunicorn.socket": ours, "HTTP_SEC_WEBSOCKET_KEY": "key"}, None)
    assert left == ["its stream"]
