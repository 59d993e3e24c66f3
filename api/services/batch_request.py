"""Read the body of a batch and the field `variations`: their shape, and their faults. Knows no music."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from api.http.body_limits import MOST_REQUESTS as MOST_REQUESTS
from shared.errors import FieldError, InvalidRequest
from shared.music.request import FIELDS, MAX_SEED, MusicRequest
from shared.music.request_fields import Integer, is_left_out

LEAST_BATCH = '{"requests": [{"prompt": "calm piano"}]}'
VARIATIONS = range(1, 9)  # one of them is a single task
ALONE = {
    name: spec.batch_refusal for name, spec in FIELDS.items() if spec.batch_refusal
}  # no request of a batch has one


def read_requests(fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the requests of {"requests": [...]}. Raises InvalidRequest."""
    errors = [
        FieldError(str(name)[:60], "unknown field; leave it out. Known: requests", "", "UNKNOWN_FIELD")
        for name in fields
        if name != "requests"
    ]
    found = fields.get("requests")
    remedy = f"send a list of 1 to {MOST_REQUESTS} objects, each a request as POST /tasks takes it"
    if not isinstance(found, list) or not found:
        errors.append(FieldError("requests", f"is missing, empty or no list; {remedy}", repr(found)[:60]))
    elif len(found) > MOST_REQUESTS:
        errors.append(FieldError("requests", f"holds {len(found)} requests; {remedy}", str(len(found))))
    else:
        errors += [
            FieldError(
                f"requests[{index}]", 'is not an object; send one such as {"prompt": "calm piano"}', repr(each)[:60]
            )
            for index, each in enumerate(found)
            if not isinstance(each, dict)
        ]
    if errors:
        raise InvalidRequest(errors)
    return list(found or [])


def in_item(index: int, errors: Sequence[FieldError]) -> list[FieldError]:
    """Return the same faults, under names that say which request of the batch has them."""
    return [FieldError(f"requests[{index}].{e.field}", e.message, e.value, e.code) for e in errors]


def unbatchable(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldError]]:
    """Return (the request without what only a request of its own may have, the faults that these are)."""
    sent = {name: why for name, why in ALONE.items() if not is_left_out(name, fields.get(name))}
    faults = [FieldError(name, why, "", "UNKNOWN_FIELD") for name, why in sent.items()]
    return {name: value for name, value in fields.items() if name not in ALONE}, faults


def single_clip(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the request without `variations` where one clip is asked for; None where it is several, or wrong."""
    if is_left_out("variations", fields.get("variations")):
        return {name: value for name, value in fields.items() if name != "variations"}
    count, plain, _ = read_variations(fields)
    return plain if count == 1 else None


def read_variations(fields: Mapping[str, Any]) -> tuple[int, dict[str, Any], list[FieldError]]:
    """Return (how many, the request without that field, what is wrong with it). A form sends it as text."""
    asked, plain = fields.get("variations"), {k: v for k, v in fields.items() if k != "variations"}
    try:
        count = TypeAdapter(Integer).validate_python(asked)
    except ValidationError:
        count = 0
    if count in VARIATIONS:
        return count, plain, []
    span = f"from {VARIATIONS[0]} to {VARIATIONS[-1]}"
    message = f"must be a whole number {span} (got {repr(asked)[:60]}). Send one, or leave it out for a single clip"
    return 0, plain, [FieldError("variations", message, repr(asked)[:80])]


def expect_seeds_in_range(request: MusicRequest, count: int) -> None:
    """Raises InvalidRequest when the last variation's seed would be over the largest one."""
    last = MAX_SEED - count + 1
    if request.seed is not None and request.seed > last:
        message = f"{count} variations take the seeds from it on; send one from 0 to {last}"
        raise InvalidRequest([FieldError("seed", message, str(request.seed))])
