"""Limit how many fields a body has, how deep and how large it is, while it is read and before it is validated.

A route says which of these kinds it takes; one that says nothing takes a single request's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.errors import FieldError, InvalidRequest, PayloadTooLarge
from shared.music.mix_spec import MOST_PARTS
from shared.music.request import fields_where

MOST_FIELDS = 100  # of one request; the entries of its lists count too
MOST_LEVELS = 32  # of objects and lists inside each other
MOST_REQUESTS = 100  # of a batch
BATCH_SIZE = 6  # times MAX_JSON_KB
FIELDS_OF_A_PART = 150  # an instrument's fields, level, pan position and sixteen effects with all their settings
QUERY = "query"
AUDIO_FIELDS = fields_where(lambda spec: spec.file)


@dataclass(frozen=True)
class BodyLimits:
    """Bound a body: `fields` of all of it; with `requests`, of each of so many. `size`: times MAX_JSON_KB.

    Members of its JSON by the names in `audio` may be recordings, as data: URIs, which are bounded by MAX_BODY_MB.
    """

    fields: int = MOST_FIELDS
    requests: int = 0
    size: int = 1
    audio: tuple[str, ...] = ()

    @property
    def most_fields(self) -> int:
        """Return how many fields all of the body may have, with what stands around the requests of a batch."""
        return self.fields + 2 * self.requests * (self.fields + 1)


SINGLE = BodyLimits()
BATCH = BodyLimits(requests=MOST_REQUESTS, size=BATCH_SIZE)
SINGLE_WITH_AUDIO = replace(SINGLE, audio=AUDIO_FIELDS)
BATCH_WITH_AUDIO = replace(BATCH, audio=AUDIO_FIELDS)
MIX = BodyLimits(fields=MOST_FIELDS + MOST_PARTS * FIELDS_OF_A_PART)
COMPOSITION = replace(MIX, audio=AUDIO_FIELDS)


def too_many_fields(where: str, most: int) -> InvalidRequest:
    """Return the refusal of more fields than any request has."""
    message = f"holds more than {most} fields, lists' entries included; send only those that the request needs"
    return InvalidRequest([FieldError(where, message, f"over {most}", "TOO_MANY_FIELDS")])


def too_many_requests(most: int) -> InvalidRequest:
    """Return the refusal of a batch with more requests than one may have."""
    message = f"holds more than {most} requests; send a list of 1 to {most} objects, and the rest as another batch"
    return InvalidRequest([FieldError("requests", message, f"over {most}", "TOO_MANY_REQUESTS")])


def too_deep(where: str = "body") -> InvalidRequest:
    """Return the refusal of objects and lists nested beyond reason."""
    message = f"is nested more than {MOST_LEVELS} levels deep; send plain values in the request's own fields"
    return InvalidRequest([FieldError(where, message, f"over {MOST_LEVELS}", "TOO_DEEP")])


def too_large(what: str, limit_bytes: int, setting: str, remedy: str) -> PayloadTooLarge:
    """Return the refusal of more bytes than are read."""
    shown = f"{limit_bytes / 1024:g} KB" if limit_bytes < 2**20 else f"{limit_bytes / 2**20:g} MB"
    return PayloadTooLarge(
        f"{what} is over {shown}, the limit ({setting}); {remedy}", details={"limit": setting, "bytes": limit_bytes}
    )
