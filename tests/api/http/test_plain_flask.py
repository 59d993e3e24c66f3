"""A request is bound to the routes as Flask itself binds it, the second time too."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder

from api.http.plain_flask import HOSTS_KEPT, PlainFlask

REQUESTS: tuple[dict[str, Any], ...] = (
    {"path": "/tasks/abc"},
    {"path": "/tasks/abc", "method": "DELETE", "query_string": "purge=1&x=%C3%A4"},
    {"path": "//tasks//ä b/%2F", "headers": {"Host": "EXAMPLE.org:8000"}},
    {"path": "/tasks/x", "base_url": "https://example.org/music/"},
    {"path": "/", "headers": {"Host": "[::1]:80"}},
    {"path": "/ws/stream", "headers": {"Connection": "Upgrade", "Upgrade": "websocket"}},
)


def bound(app: Flask, how: dict[str, Any]) -> dict[str, Any]:
    """Return what a request sees of its address, as far as it is bound."""
    request = app.request_class(EnvironBuilder(**how).get_environ())
    adapter = app.create_url_adapter(request)
    assert adapter is not None
    return {name: value for name, value in vars(adapter).items() if name != "map"} | {"host": request.host}


@pytest.mark.parametrize("how", REQUESTS, ids=lambda how: how["path"])
def test_an_address_is_bound_as_flask_binds_it_each_time(how: dict[str, Any]) -> None:
    plain, usual = PlainFlask("ostinato"), Flask("ostinato")
    assert bound(plain, how) == bound(plain, how) == bound(usual, how)


@pytest.mark.parametrize("host", ["a b", "a/b", "a" * 64 + ".org:80", "..", "[::1"])
def test_a_host_that_flask_refuses_is_refused_each_time(host: str) -> None:
    def outcome(app: Flask) -> object:
        try:
            return bound(app, {"headers": {"Host": host}})
        except HTTPException as error:
            return error.code

    plain = PlainFlask("ostinato")
    assert [outcome(plain) for _ in range(2)] == [outcome(Flask("ostinato"))] * 2


def test_many_hosts_are_not_kept_for_ever() -> None:
    app = PlainFlask("ostinato")
    for number in range(3 * HOSTS_KEPT):
        bound(app, {"headers": {"Host": f"host-{number}"}})
    assert len(app._hosts) == HOSTS_KEPT
