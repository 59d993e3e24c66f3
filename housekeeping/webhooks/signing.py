"""Sign webhooks: the headers that let a receiver trust one, as the Standard Webhooks specification has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook as Signer

from shared.version import VERSION


def make_headers(secrets: Sequence[str], webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers, with a signature for each secret: receivers move to a new one in their own time.

    Without a secret there is an id and a timestamp, but no signature: a receiver that insists on one refuses it.
    """
    at = at.astimezone(UTC)  # the library reads any other time as if it were UTC
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Ostinato/{VERSION}",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
    }
    signatures = [Signer(secret).sign(webhook_id, at, body.decode()) for secret in secrets]
    return headers | ({"webhook-signature": " ".join(signatures)} if signatures else {})
