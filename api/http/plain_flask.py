"""Leave out of Flask, as PlainFlask, what every request would pay for and none here uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from werkzeug.routing import MapAdapter

HOSTS_KEPT = 64  # ways in which callers name this server


class PlainFlask(Flask):
    """Serve without async views and subdomains, and parse a host that callers name only once."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self._hosts: dict[tuple[str, str], tuple[str, str]] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a view as it is: Flask would ask of every function that a request meets whether it is async."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Bind the routes to a request as Flask does, which raises for a host that no name can be."""
        if request is None or "HTTP_UPGRADE" in request.environ or request.environ.get("PATH_INFO", "")[:2] == "//":
            return super().create_url_adapter(request)
        asked = request.environ.get("HTTP_HOST", ""), request.scheme
        known = self._hosts.get(asked)
        if known is None:
            adapter = super().create_url_adapter(request)
            if adapter is not None and asked[0] and len(self._hosts) < HOSTS_KEPT:
                self._hosts[asked] = adapter.server_name, request.host
            return adapter
        server_name, request.host = known
        query = request.query_string.decode(errors="replace")
        return MapAdapter(
            self.url_map, server_name, request.root_path, "", request.scheme, request.path, request.method, query
        )
