"""Which web pages may call the API from a browser: those of CORS_ORIGINS, or every page while no key exists.

Decided for each answer, since keys are made while the service runs. A page that is not named cannot read an answer.
"""

from __future__ import annotations

from flask import Flask, Response, g, request
from flask_cors.core import get_cors_options, set_cors_headers

from api.keys import Keys
from shared.errors import BrokerUnavailable
from shared.settings import Settings

EXPOSED = [
    *("Location", "Retry-After", "Content-Disposition", "Idempotency-Replayed"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
]


def install(app: Flask, keys: Keys, settings: Settings) -> None:
    named = settings.cors_origins
    options = get_cors_options(app, {"origins": list(named or ("*",)), "expose_headers": EXPOSED})

    @app.after_request
    def _allow(response: Response) -> Response:
        if "Origin" not in request.headers:  # no browser asks on a page's behalf
            return response
        return set_cors_headers(response, options) if named or _open(keys) else response


def _open(keys: Keys) -> bool:
    """As api.auth found the door, where it has looked."""
    if (door := g.get("door")) is not None:
        return bool(door == "open")
    try:
        return not keys.exist()
    except BrokerUnavailable:
        return False  # for all we know
