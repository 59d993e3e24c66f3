"""A form that cannot be read is refused with what is wrong about it; file names in any bytes are nobody's business."""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import pytest
from flask import request
from flask.testing import FlaskClient

from api.http.request_body import read_body
from shared.jobs.store import JobStore
from tests.audio_fixtures import file_of, tone

BOUNDARY = "----ostinato"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
URLENCODED = "application/x-www-form-urlencoded"
MELODY = file_of(tone(440, 1.0), 32_000)


def part(disposition: bytes, content: bytes, further: bytes = b"") -> bytes:
    head = b"--" + BOUNDARY.encode() + b"\r\nContent-Disposition: form-data; " + disposition + b"\r\n" + further
    return head + b"\r\n" + content + b"\r\n"


END = b"--" + BOUNDARY.encode() + b"--\r\n"
PROMPT = part(b'name="prompt"', b"calm piano")


def refused(api: FlaskClient, data: bytes, content_type: str, status: int = 400) -> tuple[str, str]:
    """(the field, the message) of the only fault."""
    answer = api.post("/tasks", data=data, content_type=content_type)
    assert answer.status_code == status, answer.text
    error = (answer.json or {})["error"]
    if status == 413:
        return "", error["message"]
    (fault,) = error["details"]["fields"]
    return fault["field"], fault["message"]


@pytest.mark.parametrize(
    ("content_type", "field", "words"),
    [
        ("multipart/form-data", "Content-Type", "without its boundary"),
        ("multipart/form-data; boundary=", "Content-Type", "without its boundary"),
        ("multipart/form-data; boundary=another", "Content-Type", "'another', which is not in the body"),
        ("multipart/form-data; boundary=" + "x" * 300, "Content-Type", "over 200 characters"),
        (URLENCODED, "Content-Type", "no name=value"),
    ],
)
def test_a_form_under_a_wrong_header_does_not_count_as_an_empty_one(
    api: FlaskClient, content_type: str, field: str, words: str
) -> None:
    data = (PROMPT + END).replace(b"=", b"") if content_type == URLENCODED else PROMPT + END
    found, message = refused(api, data, content_type)
    assert (found, words in message) == (field, True), message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (PROMPT, "ends before the form's last boundary"),
        (PROMPT[:-6], "ends before the form's last boundary"),
        (PROMPT + b"--" + BOUNDARY.encode(), "ends before the form's last boundary"),
        (part(b'title="x"', b"calm piano") + END, "part without a name"),
        (b"--" + BOUNDARY.encode() + b"\r\nX: y\r\n\r\ncalm\r\n" + END, "Content-Disposition"),
        (part(b'name="prompt"', b"x", b"X: " + b"y" * 100_000 + b"\r\n") + END, "headers are over 16 KB"),
        (part(b'name="prompt"', "Café".encode("latin-1")) + END, "not utf-8"),
    ],
)
def test_a_form_that_is_broken_inside_says_what_is_wrong(api: FlaskClient, data: bytes, words: str) -> None:
    assert words in refused(api, data, MULTIPART)[1]


@pytest.mark.parametrize(
    "path", ["/tasks", "/v1/audio/music", "/generate/", "/generate", "/api/v1/generate", "/tickets"]
)
@pytest.mark.parametrize("body", [b'{"prompt": "calm piano"}', b' \n{"prompt": "a=b"}', b'[{"prompt": "a=b"}]'])
def test_json_that_curl_sends_as_a_form_is_told_which_header_it_lacks(api: FlaskClient, path: str, body: bytes) -> None:
    answer = api.post(path, data=body, content_type=URLENCODED)
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.text
    assert "blank" not in answer.text


def test_a_melody_sent_as_text_is_told_how_a_file_is_sent(api: FlaskClient) -> None:
    field, message = refused(api, PROMPT + part(b'name="melody"', MELODY * 6) + END, MULTIPART)
    assert (field, "-F melody=@hum.wav" in message) == ("melody", True)
    assert len(MELODY * 6) > 352_000
    answer = api.post(
        "/generate-with-melody", data=PROMPT + part(b'name="melody"', MELODY) + END, content_type=MULTIPART
    )
    assert (answer.status_code, "@hum.wav" in answer.text) == (400, True)


def test_long_text_in_a_form_names_the_field_and_the_limit(api: FlaskClient) -> None:
    long = part(b'name="prompt"', b"x" * 300_000) + END
    assert "'prompt' is over 256 KB" in refused(api, long, MULTIPART, 413)[1]
    fields = b"".join(part(b'name="k%d"' % n, b"x" * 200_000) for n in range(6))
    assert "MAX_JSON_KB" in refused(api, fields + END, MULTIPART, 413)[1]
    assert "MAX_JSON_KB" in refused(api, b"prompt=" + b"x" * 2**20, URLENCODED, 413)[1]


def test_five_thousand_parts_are_too_many_fields(api: FlaskClient) -> None:
    parts = b"".join(part(b'name="k%d"' % n, b"x") for n in range(5000)) + END
    for data, content_type in ((parts, MULTIPART), (b"&".join([b"k=x"] * 5000), URLENCODED)):
        field, message = refused(api, data, content_type)
        assert (field, "more than 100 fields" in message) == ("body", True)


NAMES = [
    "Lied für Elise.wav".encode("latin-1"),
    "表.wav".encode("shift-jis"),
    "ソ表".encode("shift-jis"),  # ends with a backslash, before the quote
    "пісня.wav".encode("koi8-u"),
    "🎵.wav".encode(),
    b"\xff\xfe\x00\x01.wav",
    b"a; name=prompt.wav",
    b'a\\".wav',
    b"x" * 10_000,
]


def named(name: bytes) -> bytes:
    return PROMPT + part(b'name="melody"; filename="' + name + b'"', MELODY, b"Content-Type: audio/wav\r\n") + END


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:12]))
def test_a_files_name_may_hold_any_bytes(api: FlaskClient, name: bytes) -> None:
    with api.application.test_request_context(method="POST", data=named(name), content_type=MULTIPART):
        body = read_body(request, file_fields=("melody",))
        assert body.fields == {"prompt": "calm piano"}
        assert body.files["melody"].read() == MELODY


def test_a_melody_is_heard_whatever_it_is_called(api: FlaskClient, store: JobStore) -> None:
    answer = api.post("/tasks", data=named(NAMES[2]), content_type=MULTIPART)
    assert answer.status_code == 202, answer.text
    melody = store.reader.get((answer.json or {})["task_id"]).request.melody
    assert melody is not None
    assert melody.seconds == pytest.approx(1.0, abs=0.01)


def test_a_file_without_a_name_of_its_own_counts_by_its_content(api: FlaskClient) -> None:
    for disposition in (b'name="melody"; filename=""', b"name=melody; filename=", b"name=melody; filename*=utf-8''x"):
        given = PROMPT + part(disposition, b"no audio at all") + END
        assert refused(api, given, MULTIPART)[0] == "melody"
    blank = PROMPT + part(b'name="melody"; filename=""', b"") + END
    assert api.post("/tasks", data=blank, content_type=MULTIPART).status_code == 202


def test_files_under_other_names_are_told_together_and_closed(api: FlaskClient) -> None:
    form = {"prompt": "x", "melody": (io.BytesIO(MELODY), "a.wav"), "picture": (io.BytesIO(b"x" * 2**20), "p.png")}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        answer = api.post("/tasks", data=form, content_type="multipart/form-data")
    assert [each["field"] for each in (answer.json or {})["error"]["details"]["fields"]] == ["picture"]


def test_what_comes_before_and_after_the_parts_means_nothing(api: FlaskClient) -> None:
    data = b"a preamble\r\n" + PROMPT + END + b"prompt=other" * 10_000
    answer = api.post("/tasks", data=data, content_type=MULTIPART)
    assert (answer.status_code, (answer.json or {})["prompt"]) == (202, "calm piano")


@pytest.mark.parametrize("data", [b"prompt=caf%E9", b"prompt=caf\xe9"])
def test_text_that_is_not_utf_8_is_not_quietly_changed(api: FlaskClient, data: bytes) -> None:
    assert "UTF-8" in refused(api, data, URLENCODED)[1]


def test_a_compressed_body_is_refused_as_such(api: FlaskClient) -> None:
    answer = api.post("/tasks", json={"prompt": "x"}, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, "without compression" in answer.text) == (415, True)


HINTS: list[tuple[str, str, Any]] = [
    ("/v1/audio/music", '{"description": "calm piano"}', "message"),
    ("/generate/", '{"text": "calm piano"}', "detail"),
    ("/generate", '{"prompt": "calm piano"}', "error"),
    ("/v2/tiny/run", '{"input": {"prompt": "calm piano"}}', "error"),
]


@pytest.mark.parametrize(("path", "example", "key"), HINTS)
@pytest.mark.parametrize("body", ["{", "[1]", "null"])
def test_a_hint_names_the_documents_own_fields(api: FlaskClient, path: str, example: str, key: str, body: str) -> None:
    answer = api.post(path, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert example in (answer.json or {})[key]
    others = {"prompt", "text", "description"} - set(json.loads(example)) - set(example.split('"'))
    assert not [name for name in others if f'"{name}"' in (answer.json or {})[key]]
