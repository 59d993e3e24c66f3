"""Say in each response which web pages may read it from a browser (CORS): those of CORS_ORIGINS.

Where none is named and no key exists, every page may read how the service is and how it is used, which is the same for
everybody; prompts, music and events only the server's own pages, which need no CORS. What is for operators no other
page may read, whatever is named. Decided for each response, since keys are made while the service runs.
"""

from __future__ import annotations

from flask import Flask, Request, Response
from flask_cors.core import get_cors_options, set_cors_headers

from api.auth.keys import Keys
from api.auth.origin_guard import NamedPages
from api.auth.path_rules import PathRules
from api.http.request_hooks import RequestHooks
from api.http.request_state import RequestState
from shared.errors import BrokerUnavailable
from shared.settings import Settings

EXPOSED = [
    *("Location", "Retry-After", "Content-Disposition", "Idempotency-Replayed"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Melody-Seconds"),
    *("Accept-Wait", "Preference-Applied"),
]


def install(app: Flask, hooks: RequestHooks, keys: Keys, rules: PathRules, settings: Settings) -> None:
    """Set the CORS headers of every response. Before api.auth.authenticate, so that a named page can read refusals."""
    pages = NamedPages(settings)
    options = get_cors_options(app, {"origins": "*", "expose_headers": EXPOSED})  # which pages is decided here

    @hooks.after
    def _allow(request: Request, state: RequestState, response: Response) -> None:
        origin = request.environ.get("HTTP_ORIGIN")
        if origin is None or rules.is_admin(request.path):  # no browser asks on a page's behalf, or none may
            return
        if pages.includes(origin) if pages.any else rules.is_open(request.path) and _without_keys(keys):
            set_cors_headers(response, options)


def _without_keys(keys: Keys) -> bool:
    """Return whether anybody may ask; False while the broker, which knows the keys, does not answer."""
    try:
        return not keys.exist()
    except BrokerUnavailable:
        return False
