"""A field that is null or "" is as good as left out, on every route: forms and many clients send what was not set."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.jobs.job import LOCAL
from shared.jobs.store import JobStore
from tests.api.dialects.test_keys_everywhere import ROUTES

INSTRUMENTS = {"piano": {"prompt": "Jazz piano"}, "bass": {"prompt": "Walking bass", "follow": False}}
EVERYWHERE = ROUTES | {
    "batch": ("/tasks/batch", {"requests": [{"prompt": "x"}]}),
    "musicgen_ai_batch": ("/api/v1/generate/batch", {"requests": [{"prompt": "x"}]}),
    "multi_instrument": ("/tasks/multi-instrument", {"instruments": INSTRUMENTS}),
    "musicgen_ai_multi_instrument": ("/api/v1/multi-instrument", {"instruments": INSTRUMENTS, "duration": 8}),
}


def objects(body: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Yield each object of a body with the fields that it may have and lacks."""
    if "$ref" in schema:
        yield from objects(body, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    elif isinstance(body, list):
        for each in body:
            yield from objects(each, schema["items"], schemas)
    elif isinstance(body, dict):
        for kind in schema.get("anyOf", ()):
            if "$ref" in kind:
                yield from objects(body, kind, schemas)
        properties = schema.get("properties", {})
        if properties:
            yield body, {name for name in properties if name not in body and name not in schema.get("required", ())}
        for name, value in body.items():
            yield from objects(value, properties.get(name) or schema.get("additionalProperties") or {}, schemas)


@pytest.mark.parametrize("blank", [None, ""])
@pytest.mark.parametrize("route", EVERYWHERE)
def test_what_is_null_or_empty_is_left_out(api: FlaskClient, store: JobStore, route: str, blank: str | None) -> None:
    def made(sent: dict[str, Any]) -> list[dict[str, Any]]:
        answer = api.post(path, json=sent)
        assert answer.status_code in (200, 202), answer.text
        jobs = store.reader.recent(LOCAL, limit=3)
        return [job.request.model_dump(exclude={"seed"}) for job in jobs]

    path, body = EVERYWHERE[route]
    document: Any = api.get("/openapi.json").json
    described = document["paths"][path.replace("/tiny/", "/{endpoint}/")]["post"]["requestBody"]
    blanked = deepcopy(body)
    schema = described["content"]["application/json"]["schema"]
    found = list(objects(blanked, schema, document["components"]["schemas"]))
    assert sum(len(names) for _, names in found) >= 2
    for each, names in found:
        each.update(dict.fromkeys(names, blank))
    first = made(body)
    assert made(blanked)[: len(first)] == first


@pytest.mark.parametrize("blank", [None, ""])
def test_a_field_that_must_be_there_is_missing_when_it_is_blank(api: FlaskClient, blank: str | None) -> None:
    for path, body in (("/generate/", {"text": blank}), ("/v1/audio/music", {"description": blank}), ("/generate", {})):
        answer = api.post(path, json=body)
        assert answer.status_code == 400
        assert any(word in answer.text for word in ("is required", "Missing required")), answer.text


def test_an_unknown_field_is_told_also_when_it_is_blank(api: FlaskClient) -> None:
    for path, body in (*ROUTES.values(), ("/tasks/batch", {"requests": [{"prompt": "x"}]})):
        sent = deepcopy(body)
        (sent.get("input") or sent.get("requests", [sent])[0])["colour"] = None
        assert "colour" in api.post(path, json=sent).text, path
