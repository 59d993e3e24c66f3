"""Read a caller's subscription to a job's events. Owns its two fields, their rules and the events' words.

Knows nothing of sending: that is `housekeeping`'s. What a URL's name resolves to is judged there, on the address that
is really connected to; here only what can be seen in the URL itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from shared.errors import FieldError
from shared.webhooks.hostnames import host_fault, is_private_host

EVENTS = ("started", "completed", "failed", "cancelled")
ENDS = EVENTS[1:]  # what is sent when the caller does not choose
FIELDS: Mapping[str, str] = {
    "webhook_url": "an http or https URL that takes a POST, such as https://example.com/hooks/music",
    "webhook_events": f"a list of {', '.join(EVENTS)}; without it, the three ends",
}
MAX_URL_CHARS = 2048
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Webhook:
    """Say where to post, and which events. `base`, the address of the submission, begins the links of the bodies."""

    url: str
    events: tuple[str, ...] = ENDS
    base: str = ""

    @property
    def receiver(self) -> str:
        """Return scheme, host and port: deliveries to one receiver wait for each other, never for another's."""
        url = parse_url(self.url)
        return f"{url.scheme}://{url.host}:{url.port or PORTS[url.scheme or 'http']}"

    def as_json(self) -> str:
        """Return what the job's record keeps of it, which Lua reads too."""
        record = {"url": self.url, "events": list(self.events), "lane": self.receiver}
        return json.dumps(record | ({"base": self.base} if self.base else {}))

    @classmethod
    def from_json(cls, text: str) -> Webhook:
        data = json.loads(text)
        return cls(data["url"], tuple(data["events"]), data.get("base", ""))


def parse_webhook(fields: Mapping[str, Any], *, allow_private: bool) -> tuple[Webhook | None, list[FieldError]]:
    """Return the subscription in these fields, if there is one, and what is wrong with it. Ignores other fields."""
    url, events = fields.get("webhook_url"), fields.get("webhook_events")
    if url is None:
        if events is None:
            return None, []
        return None, [_wrong("webhook_events", events, "needs a webhook_url beside it")]
    errors = [_wrong("webhook_url", url, problem)] if (problem := _url_problem(url, allow_private)) else []
    words, problem = _words(events)
    if problem:
        errors.append(_wrong("webhook_events", events, problem))
    return (None, errors) if errors else (Webhook(str(url), words), [])


def _wrong(field: str, value: object, problem: str) -> FieldError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
    return FieldError(field, f"{problem} (got {shown}). Send {FIELDS[field]}", shown, "INVALID_WEBHOOK")


def _words(events: object) -> tuple[tuple[str, ...], str]:
    """Return the events in their own order, and what is wrong. A form sends one string with commas."""
    if events is None:
        return ENDS, ""
    asked = [word.strip() for word in events.split(",")] if isinstance(events, str) else events
    if not isinstance(asked, list) or not asked:
        return (), "must be a list with at least one event"
    if unknown := [word for word in asked if word not in EVENTS]:
        return (), f"has the unknown event {str(unknown[0])[:40]!r}"
    return tuple(word for word in EVENTS if word in asked), ""


def _url_problem(url: object, allow_private: bool) -> str:
    if not isinstance(url, str) or not url:
        return "must be a string"
    if len(url) > MAX_URL_CHARS:
        return f"has {len(url)} characters; {MAX_URL_CHARS} are the most"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return (
            "has a space, a backslash or a character outside ASCII; write names in punycode and paths percent-encoded"
        )
    try:
        parts = parse_url(url)
    except LocationParseError:
        return "is no URL"
    if parts.scheme not in PORTS or not parts.host or parts.port == 0:
        return "is no http or https URL with a host"
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
    if "@" in authority:
        return "holds a user name or password, which would end up in logs; the signature tells the receiver who we are"
    if "%" in authority and not parts.host.startswith("["):
        return "has a percent-encoded host; write it plainly"
    if not allow_private and is_private_host(parts.host):
        return "names a private address, which this server does not connect to (WEBHOOK_ALLOW_PRIVATE)"
    return host_fault(parts.host)
