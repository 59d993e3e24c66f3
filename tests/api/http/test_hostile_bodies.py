"""A hostile body costs little at every route there is: it is counted before it is built, and its refusal is small."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.http import json_body
from api.http.body_limits import BATCH
from api.http.request_body import read_body
from shared.errors import FieldError, InvalidRequest
from shared.music.request import MusicRequest
from tests.api.hostile import JSON, Hostile, changing_routes, hostile_bodies, of_fields
from tests.api.operators import OPERATOR

REFUSAL_BYTES = 64 * 1024


def described(api: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json or {}
    return found


def fields_of(document: dict[str, Any]) -> frozenset[str]:
    """Every property of every body that is described."""
    schemas = document["components"]["schemas"]
    return frozenset(name for name, each in schemas.items() if name.endswith("Body") for name in each["properties"])


def takes_body(document: dict[str, Any], method: str, rule: str) -> bool:
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
    return "requestBody" in document["paths"][path][method.lower()]


@pytest.fixture
def document(api: FlaskClient) -> dict[str, Any]:
    return described(api)


@pytest.mark.slow
def test_every_route_refuses_every_hostile_body_in_few_words_and_validates_none(
    api: FlaskClient, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, validated = list[int](), list[int]()
    build, validate = json_body._object_of, MusicRequest.model_validate
    monkeypatch.setattr(json_body, "_object_of", lambda *a: built.append(1) or build(*a))
    monkeypatch.setattr(MusicRequest, "model_validate", lambda *a, **k: validated.append(1) or validate(*a, **k))
    known = fields_of(document)
    assert {"prompt", "text", "description", "requests", "instruments", "input"} <= known
    routes = changing_routes(api.application)
    with_body = [each for each in routes if takes_body(document, *each[:2])]
    assert len(with_body) > 10
    for body in hostile_bodies(known):
        for method, rule, path in routes:
            before = len(built), len(validated)
            answer = api.open(path, method=method, data=body.data, content_type=body.content_type, headers=OPERATOR)
            told = f"{method} {rule}, {body.name}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code < 500, told
            assert len(answer.data) <= REFUSAL_BYTES, told
            if (method, rule, path) in with_body and body.counted:
                assert answer.status_code in (400, 413), told
                assert (len(built), len(validated)) == before, told


def listed(api: FlaskClient, path: str, body: dict[str, Any]) -> tuple[int, int, str]:
    """(faults listed, faults only counted, the message)."""
    error = (api.post(path, json=body).json or {})["error"]
    return len(error["details"]["fields"]), error["details"].get("more", 0), error["message"]


def test_at_most_twenty_faults_are_listed_and_the_rest_is_counted(api: FlaskClient) -> None:
    count, more, message = listed(api, "/tasks", of_fields(100))
    assert (count, more) == (20, 79)
    assert message.endswith("and 79 more")
    assert listed(api, "/tasks", of_fields(21))[:2] == (20, 0)
    batch = {"requests": [of_fields(100)] * 100}
    for path in ("/tasks/batch", "/api/v1/generate/batch"):
        count, more, message = listed(api, path, batch)
        assert (count, more) == (20, 9900 - 20)
        assert message.endswith("and 9880 more")
    piece = {"instruments": {f"i{n}": of_fields(90) for n in range(16)}}
    assert sum(listed(api, "/tasks/multi-instrument", piece)[:2]) == 16 * 89


@pytest.mark.parametrize(
    ("path", "key"), [("/v1/audio/music", "message"), ("/generate/", "detail"), ("/generate", "error")]
)
def test_a_documents_own_refusal_says_how_many_more_there_are(api: FlaskClient, path: str, key: str) -> None:
    names = {"/v1/audio/music": "description", "/generate/": "text", "/generate": "prompt"}
    body = {names[path]: "x"} | {f"k{n}": 0 for n in range(99)}
    message = (api.post(path, json=body).json or {})[key]
    assert message.endswith("; and 79 more")
    assert message.count("k") >= 20


class Stream(io.BytesIO):
    """Counts what was taken of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self.taken += len(block)
        return block


@pytest.mark.parametrize("announced", [True, False], ids=["with a length", "chunked"])
def test_reading_ends_with_the_first_field_too_many(api: FlaskClient, announced: bool) -> None:
    data = json.dumps(of_fields(60_000)).encode()
    assert len(data) < 2**20
    stream = Stream(data)
    length = {"CONTENT_LENGTH": str(len(data))} if announced else {"wsgi.input_terminated": True}
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": JSON, "wsgi.input": stream, **length}
    context = api.application.test_request_context("/tasks", environ_overrides=environ)
    with context, pytest.raises(InvalidRequest) as refused:
        read_body(context.request)
    assert refused.value.code == "TOO_MANY_FIELDS"
    assert stream.taken <= 2 * 64 * 1024


def test_a_body_that_names_its_length_is_refused_unread_and_a_chunked_one_at_the_limit(api: FlaskClient) -> None:
    """Where JSON may hold recordings, a length says nothing of its text."""
    body = Hostile("long", json.dumps({"prompt": "x" * 3 * 2**20}).encode())
    announced, chunked, limit = {"CONTENT_LENGTH": str(len(body.data))}, {"wsgi.input_terminated": True}, 2**20 + 65536
    for path, length, taken in (
        ("/generate", announced, 0),
        ("/tasks", announced, limit + 65536),
        ("/tasks", chunked, limit + 65536),
    ):
        stream = Stream(body.data)
        environ = {"CONTENT_TYPE": JSON, "wsgi.input": stream, **length}
        answer = api.post(path, environ_overrides=environ)
        assert answer.status_code == 413
        assert "MAX_JSON_KB" in answer.text
        assert stream.taken <= taken


def test_a_batch_may_be_six_times_as_large(api: FlaskClient) -> None:
    requests = [{"prompt": "x", "title": "y" * 200, "client_id": "z" * 60_000}] * 100
    answer = api.post("/tasks/batch", json={"requests": requests})
    assert (answer.status_code, "client_id" in answer.text) == (400, True), "it was read whole"
    answer = api.post("/tasks/batch", json={"requests": requests + requests})
    assert (answer.status_code, "6 times MAX_JSON_KB" in answer.text) == (413, True)


@pytest.mark.parametrize("path", ["/tasks", "/files/", "/health", "/v2/tiny/status/x", "/nowhere"])
def test_a_query_has_at_most_a_hundred_fields(api: FlaskClient, path: str) -> None:
    for count, refused in ((100, False), (101, True), (100_000, True)):
        answer = api.get(path + "?" + "&".join(f"k{n}=0" for n in range(count)))
        assert ("more than 100 fields" in answer.text) == refused
        assert answer.status_code == 400 or not refused
        assert len(answer.data) <= REFUSAL_BYTES


@pytest.mark.parametrize("literal", ["1" * 5000, "-" + "1" * 100_000, "1e400", "-1e400", "NaN", "Infinity"])
@pytest.mark.parametrize("field", ["seed", "duration", "top_k", "priority", "melody", "cache"])
def test_a_number_without_bounds_is_the_fault_of_the_field_that_has_it(
    api: FlaskClient, field: str, literal: str
) -> None:
    answer = api.post("/tasks", data=f'{{"prompt": "x", "{field}": {literal}}}', content_type=JSON)
    assert answer.status_code == 400
    assert [each["field"] for each in (answer.json or {})["error"]["details"]["fields"]] == [field]


def test_whatever_a_refusal_says_it_has_at_most_64_kb() -> None:
    wide = "🎵" * 5000
    refused = InvalidRequest([FieldError(wide, wide, wide)] * 5000, more=7)
    told = {"error": {"code": refused.code, "message": refused.message, "details": refused.details}}
    assert len(json.dumps(told)) <= REFUSAL_BYTES
    assert len(refused.errors) + refused.more == 5007


def test_a_large_batch_waits_while_another_is_judged_and_no_refusal_keeps_the_place(api: FlaskClient) -> None:
    large = {"requests": [{"prompt": "x", "title": "y" * 5000}] * 100}
    for _ in range(3):
        assert api.post("/tasks/batch", json=large).status_code == 400
        assert api.post("/tasks/batch", data=json.dumps(large)[:-1], content_type=JSON).status_code == 400
    with api.application.test_request_context("/tasks/batch", method="POST", json=large) as context:
        read_body(context.request, limits=BATCH)
        assert not json_body._large_batches.acquire(blocking=False)
        assert api.post("/tasks/batch", json={"requests": [{"prompt": "x"}]}).status_code == 202, "small ones pass"
    assert json_body._large_batches.acquire(blocking=False)
    json_body._large_batches.release()
