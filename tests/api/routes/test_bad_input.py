"""Everything that a caller can get wrong, over HTTP: a 4xx that names field, value and remedy; never a 500."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from tokenizers import Tokenizer, models, pre_tokenizers

from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.audio_fixtures import file_of, silence, tone

FORM = "multipart/form-data"


def fields_of(answer: Any) -> dict[str, dict[str, str]]:
    return {field["field"]: field for field in answer.get_json()["error"]["details"]["fields"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "   "),
        ("prompt", 5),
        ("prompt", ["a", "b"]),
        ("prompt", "x" * 5000),
        ("duration", 0),
        ("duration", -3),
        ("duration", "abc"),
        ("duration", 31),
        ("duration", float("nan")),
        ("model", "gigantic"),
        ("model", 7),
        ("output_format", "exe"),
        ("colour", "red"),
        ("variations", 9),
        ("webhook_url", "ftp://example.com"),
        ("webhook_url", "http://127.0.0.1:6379/"),
        ("webhook_url", "https://user:secret@example.com/"),
        ("webhook_url", 5),
        ("webhook_events", ["completed"]),
        ("melody", {"key": "results/other/1.wav", "seconds": 1, "sha256": "x"}),
    ],
)
def test_a_bad_field_is_a_400_that_names_it_and_queues_nothing(
    api: FlaskClient, client: redis.Redis, field: str, value: Any
) -> None:
    answer = api.post("/tasks", json={"prompt": "calm piano"} | {field: value})
    assert answer.status_code == 400
    error = fields_of(answer)[field]
    assert any(word in error["message"] for word in ("Send ", "send ", "leave it out", "must be a file"))
    assert error["value"] or field in ("melody", "prompt")
    assert client.exists("ostinato:waiting:tiny") == 0


def test_all_faults_of_a_form_are_told_together_the_melodys_too(api: FlaskClient) -> None:
    form = {"prompt": "", "duration": "abc", "model": "gigantic", "melody": (io.BytesIO(b"not audio"), "hum.wav")}
    answer = api.post("/tasks", data=form, content_type=FORM)
    assert answer.status_code == 400
    assert {"duration", "model", "melody"} <= set(fields_of(answer))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty", b""),
        ("text", b"these are words, not sound\n" * 50),
        ("corrupt", file_of(tone(440, 1.0), 32_000)[:40] + b"\x00\xff" * 10),
        ("silent", file_of(silence(), 32_000)),
    ],
)
def test_an_unusable_melody_is_refused_at_once(api: FlaskClient, name: str, content: bytes) -> None:
    form = {"prompt": "piano", "melody": (io.BytesIO(content), f"{name}.wav")}
    answer = api.post("/tasks", data=form, content_type=FORM)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "INVALID_MELODY"


def test_a_prompt_is_counted_in_the_models_own_tokens(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    settings = make_settings(max_prompt_tokens=10)
    api = open_api(settings)
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "la": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    registry = WorkerRegistry(client, settings)
    registry.announce(TINY.__class__(**TINY.__dict__ | {"tokenizer": registry.share_tokenizer(words.to_str())}))
    assert api.post("/tasks", json={"prompt": "la " * 10}).status_code == 202
    answer = api.post("/tasks", json={"prompt": "la " * 11})
    assert answer.status_code == 400
    assert "11 tokens; at most 10" in fields_of(answer)["prompt"]["message"]


@pytest.mark.parametrize(
    ("body", "word"),
    [("[1, 2]", "array"), ("null", "null"), ('"x"', "string"), ("7", "number"), ("{", "not valid JSON")],
)
def test_json_that_is_no_object_says_what_it_is(api: FlaskClient, body: str, word: str) -> None:
    answer = api.post("/tasks", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert word in answer.get_json()["error"]["message"]


def test_json_nested_beyond_reason_is_refused(api: FlaskClient) -> None:
    answer = api.post("/tasks", data="[" * 100_000, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", None])
def test_another_kind_of_body_is_a_415_that_names_the_right_ones(api: FlaskClient, content_type: str | None) -> None:
    answer = api.post("/tasks", data=b"prompt", content_type=content_type)
    assert answer.status_code == 415
    assert "application/json" in answer.get_json()["error"]["message"]


def test_a_field_sent_twice_or_a_file_in_the_wrong_field_is_refused(api: FlaskClient) -> None:
    form = {"prompt": ["a", "b"], "picture": (io.BytesIO(b"x"), "p.png")}
    assert set(fields_of(api.post("/tasks", data=form, content_type=FORM))) == {"prompt", "picture"}


def test_what_a_browser_leaves_blank_in_a_form_counts_as_not_given(api: FlaskClient) -> None:
    form = {"prompt": "calm piano", "seed": "", "duration": "", "melody": (io.BytesIO(b""), "")}
    assert api.post("/tasks", data=form, content_type=FORM).status_code == 202


def test_a_body_over_the_limit_is_a_413(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(max_body_mb=0.01))
    answer = api.post("/tasks", json={"prompt": "x" * 20_000})
    assert answer.status_code == 413
    assert answer.get_json()["error"]["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("header", ["x\r\nSet-Cookie: a=b", "../../etc/passwd", "%00"])
def test_hostile_ids_are_just_unknown(api: FlaskClient, header: str) -> None:
    assert api.get(f"/tasks/{header}").status_code == 404


@pytest.mark.parametrize("body", [rb'{"prompt": "\ud800"}', rb'{"\ud800": 1}', rb'{"client_id": "a\udfff"}'])
def test_half_a_character_is_refused(api: FlaskClient, body: bytes) -> None:
    answer = api.post("/tasks", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "half of a character" in answer.get_json()["error"]["message"]


def test_a_very_long_name_is_not_echoed_whole(api: FlaskClient) -> None:
    answer = api.post("/tasks", json={"prompt": "x", "y" * 100_000: 1})
    assert answer.status_code == 400
    assert len(answer.data) < 2_000


@pytest.mark.parametrize("path", ["/tasks?limit=", "/files/?skip=", "/tasks/x?purge="])
def test_a_number_of_thousands_of_digits_is_a_400(api: FlaskClient, path: str) -> None:
    method = "DELETE" if "purge" in path else "GET"
    assert api.open(path + "0" * 11 + "1" * 5000, method=method).status_code == 400
