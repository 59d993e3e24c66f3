"""Recordings leave a JSON text for a file while it arrives, wherever its blocks end, and nothing else does."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from api.http.json_audio import JsonAudio, has_audio
from api.uploads.data_uris import DataUri

FIELDS = ("melody", "continue_audio")
URI = "data:audio/wav;base64,AB+/cd+/"
SIZES = [1, 2, 3, 7, 64, 300, 10**6]


def taken(text: bytes, size: int) -> tuple[bytes, Any, list[str]]:
    """(the rest, what it means with its URIs as text again, the URIs), of a text that comes in blocks of that size."""
    with io.BytesIO() as file:
        audio = JsonAudio(FIELDS, file)
        rest = b"".join(audio.rest_of(text[at : at + size] for at in range(0, len(text), size)))
        found = audio.put_back(json.loads(rest))
        uris = [uri for uri in leaves(found) if isinstance(uri, DataUri)]
        texts = {uri: file.getvalue()[uri._start : uri._start + uri.length].decode("latin-1") for uri in uris}
        return rest, as_text(found, texts), list(texts.values())


def leaves(found: Any) -> list[Any]:
    inside = found.values() if isinstance(found, dict) else found if isinstance(found, list) else None
    return [found] if inside is None else [leaf for each in inside for leaf in leaves(each)]


def as_text(found: Any, texts: dict[DataUri, str]) -> Any:
    if isinstance(found, dict):
        return {name: as_text(value, texts) for name, value in found.items()}
    if isinstance(found, list):
        return [as_text(value, texts) for value in found]
    return texts.get(found, found) if isinstance(found, DataUri) else found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x", "melody": URI, "seed": 7},
        {"melody": URI, "continue_audio": "data:audio/flac;base64,QUJD"},
        {"requests": [{"prompt": "x", "melody": URI}, {"melody": None}, {"continue_audio": "DATA:,"}]},
        {"instruments": {"piano": {"prompt": "é🎵", "melody": URI}, "melody": {"melody": URI}}},
        {"input": {"prompt": 'say "melody": "data:x", \\', "melody": URI}},
    ],
)
def test_what_is_put_back_is_what_was_sent_wherever_the_blocks_end(body: dict[str, Any], size: int) -> None:
    for text in (json.dumps(body), json.dumps(body, indent=4, ensure_ascii=False), json.dumps(body, separators=",:")):
        rest, found, uris = taken(text.encode(), size)
        assert found == body
        assert len(uris) == len(re.findall(r'(?<!\\)"data:', text, re.IGNORECASE))
        assert b"base64" not in rest


@pytest.mark.parametrize("size", SIZES)
def test_it_is_read_as_any_program_escapes_it(size: int) -> None:
    """PHP escapes the slash, .NET the plus, and Gson the sign of equality."""
    escaped = URI.replace("/", "\\/").replace("+", "\\u002B") + "AA\\u003d\\u003D"
    assert taken(f'{{"melody": "{escaped}"}}'.encode(), size)[2] == [URI + "AA=="]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("broken", ["\\", "\\u", "\\u00", "\\u00zz", "\\q", "\\u00e9", "\n", "\x00", "é"])
def test_what_json_or_base64_does_not_know_stays_to_be_refused(broken: str, size: int) -> None:
    text = f'{{"melody": "data:,{broken}{"" if broken != chr(92) else " "}A"}}'
    (uri,) = taken(text.encode(), size)[2]
    assert uri.encode("latin-1") not in (b"data:,A", b"data:,", b"data:,qA", b"data:,uA")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "text",
    [
        {"prompt": URI, "title": "melody", "client_id": '"melody": "data:audio/wav;base64,AA"'},
        {'x"melody': URI, "MELODY": URI, "melody ": URI},
        {"melody": "https://example.com/hum.wav", "continue_audio": " data:,"},
        {"melody": [URI], "continue_audio": {"data": URI}},
        {"x": "\\", "y": '\\"melody":"data:,'},
    ],
)
def test_no_other_text_is_taken_for_a_recording(text: dict[str, Any], size: int) -> None:
    plain = json.dumps(text).encode()
    rest, found, uris = taken(plain, size)
    assert (rest, found, uris) == (plain, text, [])
    assert not has_audio(plain, FIELDS)


@pytest.mark.parametrize("size", SIZES)
def test_a_text_that_ends_within_a_recording_is_no_json(size: int) -> None:
    for end in ("", "AAAA", "\\", "\\u00"):
        with pytest.raises(json.JSONDecodeError):
            taken(f'{{"melody": "data:{end}'.encode(), size)


def test_the_bytes_of_all_recordings_are_counted_without_decoding_one() -> None:
    with io.BytesIO() as file:
        audio = JsonAudio(FIELDS, file)
        uris = ["data:audio/wav;base64," + data for data in ("", "AAAA", "AAA=", "AA==", "A")]
        body = json.dumps({"requests": [{"melody": uri} for uri in [*uris, "data:,AAAA"]]}).encode()
        list(audio.rest_of([body]))
        assert audio.decoded_bytes == 3 + 2 + 1


def test_a_mark_of_ones_own_is_text() -> None:
    with io.BytesIO() as file:
        assert JsonAudio(FIELDS, file).put_back({"prompt": ""}) == {"prompt": ""}
