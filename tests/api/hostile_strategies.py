"""Bodies that fit no description, for the fuzz: JSON and forms that are too many, too deep, broken or in odd bytes."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st

from tests.api.hostile import BOUNDARY, JSON, MULTIPART, URLENCODED

NAMES = ("prompt", "text", "description", "input", "requests", "instruments", "melody", "seed", "duration", "policy")
NUMBERS = ("1e400", "-1e400", "NaN", "Infinity", "9" * 5000, "-0", "1.5e-400")
Body = tuple[bytes, str]


def _plain(value: Any) -> bytes:
    return json.dumps(value).encode()


def values() -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.just("x" * 5000))


@st.composite
def many_fields(draw: st.DrawFn) -> Body:
    count, value = draw(st.sampled_from([1, 20, 99, 100, 101, 3000])), draw(values())
    fields = {draw(st.sampled_from(NAMES)): draw(values())} | {f"k{n}": value for n in range(count)}
    around = draw(st.sampled_from(["", "input", "requests", "instruments"]))
    return _plain({around: [fields] if around == "requests" else fields} if around else fields), JSON


@st.composite
def deep(draw: st.DrawFn) -> Body:
    levels, name = draw(st.sampled_from([1, 31, 32, 33, 5000])), draw(st.sampled_from(NAMES))
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}"), (f'{{"{name}":', "}")]))
    closed = draw(st.booleans())
    return (f'{{"{name}":' + opening * levels + "0" + (closing * levels + "}") * closed).encode(), JSON


@st.composite
def odd_numbers(draw: st.DrawFn) -> Body:
    fields = ", ".join(f'"{name}": {draw(st.sampled_from(NUMBERS))}' for name in draw(st.sets(st.sampled_from(NAMES))))
    return f'{{"type": "generate", {fields}}}'.encode(), JSON


@st.composite
def cut(draw: st.DrawFn) -> Body:
    """Valid JSON of which some bytes are missing, or others."""
    whole = _plain(draw(st.dictionaries(st.sampled_from(NAMES), values(), max_size=4)))
    at, instead = draw(st.integers(0, len(whole))), draw(st.binary(max_size=8))
    return whole[:at] + instead + whole[at + draw(st.integers(0, 4)) :], JSON


@st.composite
def recordings(draw: st.DrawFn) -> Body:
    """data: URIs, nearly right and quite wrong, where routes take them and where none does."""
    types = ["audio/wav", "audio/webm;codecs=opus", "video/mp4", "text/html", "", "audio", "é/\u2028"]
    coded = base64.b64encode(draw(st.binary(max_size=40))).decode()
    data = draw(
        st.sampled_from([coded, coded[:-1], coded + "=", coded + "\n", "%52" + coded, "-_", "AAAA" * 30_000, ""])
    )
    scheme, mark = (
        draw(st.sampled_from(["data:", "DATA:", "https:", " data:", ""])),
        draw(st.sampled_from([";base64,", ","])),
    )
    uri = f"{scheme}{draw(st.sampled_from(types))}{mark}{data}"
    request = {"prompt": "x", draw(st.sampled_from(["melody", "continue_audio", "title"])): uri}
    bodies = [
        request,
        {"requests": [request] * 2},
        {"input": request},
        {"instruments": {"piano": request}},
        {"melody": [uri]},
    ]
    text = json.dumps(draw(st.sampled_from(bodies)), indent=draw(st.sampled_from([None, 2])))
    if draw(st.booleans()):
        text = text.replace("/", "\\/").replace("=", "\\u003d")
    return text[: draw(st.sampled_from([len(text), len(text) - 1, 60]))].encode(), JSON


@st.composite
def odd_parts(draw: st.DrawFn) -> Body:
    """Parts under good and bad names and boundaries, with file names in any bytes."""
    boundary, parts = BOUNDARY.encode(), []
    for _ in range(draw(st.sampled_from([0, 1, 2, 3, 150]))):
        name = draw(st.one_of(st.sampled_from(NAMES).map(str.encode), st.binary(max_size=6)))
        file = draw(st.one_of(st.just(b""), st.binary(max_size=12).map(lambda name: b'; filename="' + name + b'"')))
        head = b'\r\nContent-Disposition: form-data; name="' + name + b'"' + file
        parts.append(b"--" + boundary + head + b"\r\n\r\n" + draw(st.binary(max_size=60)) + b"\r\n")
    end = draw(st.sampled_from([b"--" + boundary + b"--\r\n", b"", b"--" + boundary]))
    return b"".join(parts) + end, draw(st.sampled_from([MULTIPART, "multipart/form-data", MULTIPART + "x", JSON]))


def odd_forms() -> st.SearchStrategy[Body]:
    json_as_form = st.dictionaries(st.sampled_from(NAMES), values(), max_size=3).map(_plain)
    many = st.integers(1, 300).map(lambda count: b"&".join([b"k=x"] * count))
    return st.tuples(st.one_of(st.binary(max_size=80), json_as_form, many), st.just(URLENCODED))


def hostile() -> st.SearchStrategy[Body]:
    anything = st.tuples(st.binary(max_size=200), st.sampled_from([JSON, URLENCODED, MULTIPART, "text/plain"]))
    return st.one_of(many_fields(), deep(), odd_numbers(), cut(), recordings(), odd_parts(), odd_forms(), anything)
