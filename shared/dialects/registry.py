"""Find the webhook's body of a job by the dialect that its record names in `source`.

A dialect whose document shows a body of its own has a module of its name here, with a function `webhook_body`: it is
found by being there. Every other dialect's jobs have the native body.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

import shared.dialects
from shared.dialects.native import webhook_body as native_body
from shared.dialects.webhook_context import WebhookBody


class WebhookBodies:
    """Map each dialect to what builds its webhook's body, as they were found when this was made."""

    def __init__(self) -> None:
        self._by_source: dict[str, WebhookBody] = {}
        for name in (found.name for found in pkgutil.iter_modules(shared.dialects.__path__)):
            body = getattr(import_module(f"shared.dialects.{name}"), "webhook_body", None)
            if body is not None:
                self._by_source[name] = body

    def of(self, source: str) -> WebhookBody:
        """Return what builds the webhook's body of a job that came through that dialect."""
        return self._by_source.get(source, native_body)
