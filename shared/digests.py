"""Digests: when two requests are the same one, and when they make the same music. Knows no Redis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from shared.job import Fingerprint
from shared.request import MusicRequest

SOUND = (
    *("prompt", "model", "duration", "temperature", "top_k", "top_p", "guidance_scale", "seed", "output_format"),
    *("continue_from",),
)
# Left out while they are not set, so that what was asked before they existed keeps its digests.
ADDED = ("loudness", "title")


def request_digest(request: MusicRequest, webhook: str | None = None) -> str:
    """Of all that was asked for, a melody by its content: what an Idempotency-Key holds on to."""
    return _digest([_plain(request), webhook])


def batch_digest(digests: Sequence[str]) -> str:
    """Of many such, in their order; never equal to that of a single request."""
    return _digest(["batch", *digests])


def music_digest(request: MusicRequest, model: str, account: str, fingerprint: str) -> str:
    """Of what decides how it sounds, and of who may share it."""
    plain = _plain(request)
    sound = {name: plain.get(name) for name in (*SOUND, "melody")} | {n: plain[n] for n in ADDED if n in plain}
    return _digest([sound, model, account, fingerprint])


def fingerprint_digest(fingerprint: Fingerprint) -> str:
    return _digest([fingerprint.checkpoint, fingerprint.engine, fingerprint.precision, fingerprint.device])


def _plain(request: MusicRequest) -> dict[str, Any]:
    plain = request.model_dump(mode="json")
    plain = {name: value for name, value in plain.items() if name not in ADDED or value is not None}
    if request.melody is not None:
        plain["melody"] = request.melody.sha256  # each upload has a key of its own
    return plain


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
