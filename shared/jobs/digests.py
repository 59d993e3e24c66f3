"""Compute the digests by which two requests are the same one, or make the same music. Knows no Redis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.jobs.job import Fingerprint
from shared.music.request import MusicRequest, fields_where, left_out
from shared.webhooks.subscription import Webhook

AUDIO_FIELDS = fields_where(lambda spec: spec.decides in ("music", "file"))


def request_digest(request: MusicRequest, webhook: str | None = None) -> str:
    """Return the digest of all that was asked for, an upload by its content: an Idempotency-Key is bound to it."""
    plain = _plain(request)
    if request.continue_from is not None and request.continue_from.task is not None:
        plain["continue_from"] = request.continue_from.task  # whether it has completed by now or not
    return _digest([plain, _as_asked(webhook)])


def batch_digest(digests: Sequence[str]) -> str:
    """Return the digest of many requests, in their order; never equal to that of a single one."""
    return _digest(["batch", *digests])


def music_digest(request: MusicRequest, model: str, account: str, fingerprint: str) -> str:
    """Return the digest of what decides the sound and the file, and of who may share them."""
    plain = _plain(request)
    audio = {"continue_from": None} | {name: plain[name] for name in AUDIO_FIELDS if name in plain}
    return _digest([audio, model, account, fingerprint])


def derived_digest(digest: str, made_from: Sequence[str]) -> str:
    """Return the digest of music that is made from others' music; the same digest when it is made from none."""
    return _digest(["derived", digest, *made_from]) if made_from else digest


def composition_digest(mixed: Any, digests: Sequence[str], webhook: str | None) -> str:
    """Return the digest of a piece for several instruments, as it was asked for."""
    return _digest(["composition", mixed, list(digests), _as_asked(webhook)])


def fingerprint_digest(fingerprint: Fingerprint) -> str:
    """Return the digest of all that a seed's promise holds within."""
    return _digest([fingerprint.checkpoint, fingerprint.engine, fingerprint.precision, fingerprint.device])


def _as_asked(webhook: str | None) -> str | None:
    """Return a webhook as it was asked for: the address that the submission came to is no part of that."""
    return None if webhook is None else replace(Webhook.from_json(webhook), base="").as_json()


def _plain(request: MusicRequest) -> dict[str, Any]:
    """Return what was asked for; without what was not, so that digests from before a field existed still hold."""
    plain = request.model_dump(mode="json", exclude=left_out(request))
    if request.melody is not None:
        plain["melody"] = request.melody.sha256  # each upload has a key of its own
    if (beginning := request.continue_from) is not None:
        plain["continue_from"] = [beginning.sha256, beginning.seconds, beginning.codes is not None]
    return plain


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
