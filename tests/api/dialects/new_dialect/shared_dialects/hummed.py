"""Build the webhook's body of hums."""

from __future__ import annotations

from typing import Any

from shared.dialects.webhook_context import WebhookContext


def webhook_body(context: WebhookContext) -> dict[str, Any]:
    return {"hum": context.job.id, "was": context.event, "listen_at": context.audio_url}
