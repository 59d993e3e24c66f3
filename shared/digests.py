"""Digests: when two requests are the same one, and when they make the same music. Knows no Redis."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from shared.job import Fingerprint
from shared.request import MusicRequest

SOUND = (
    *("prompt", "model", "duration", "temperature", "top_k", "top_p", "guidance_scale", "seed", "output_format"),
    *("continue_from",),
)


def request_digest(request: MusicRequest, webhook: str | None = None) -> str:
    """Of all that was asked for, a melody by its content: what an Idempotency-Key holds on to."""
    return _digest([_plain(request), webhook])


def music_digest(request: MusicRequest, model: str, account: str, fingerprint: str) -> str:
    """Of what decides how it sounds, and of who may share it."""
    plain = _plain(request)
    return _digest([{name: plain.get(name) for name in (*SOUND, "melody")}, model, account, fingerprint])


def fingerprint_digest(fingerprint: Fingerprint) -> str:
    return _digest([fingerprint.checkpoint, fingerprint.engine, fingerprint.precision, fingerprint.device])


def _plain(request: MusicRequest) -> dict[str, Any]:
    plain = request.model_dump(mode="json")
    if request.melody is not None:
        plain["melody"] = request.melody.sha256  # each upload has a key of its own
    return plain


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
