"""Bodies that cost much if they are read without limits, for any route: what they are, and which routes take a body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
BOUNDARY = "----hostile"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
VALUES = {"endpoint": "tiny", "task_id": "0" * 32, "batch_id": "0" * 32, "name": "a.wav", "path": "index.html"} | {
    "share_id": "0" * 16,
    "worker": "w9",
    "key_id": "0" * 12,
}
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Hostile:
    """`counted`: refused by its number of fields, levels or bytes, before any field is validated."""

    name: str
    data: bytes
    content_type: str = JSON
    counted: bool = True


def of_fields(count: int, value: object = 0) -> dict[str, Any]:
    return {"prompt": "x"} | {f"k{n}": value for n in range(count - 1)}


def multipart_of(fields: Mapping[str, str]) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "".join((*parts, f"--{BOUNDARY}--\r\n")).encode()


def urlencoded_of(fields: Mapping[str, str]) -> bytes:
    return "&".join(f"{name}={value}" for name, value in fields.items()).encode()


def wrong_types(known: frozenset[str]) -> Iterator[Hostile]:
    """Every field that any route knows, each of a kind that none takes."""
    for name, value in (("objects", {"a": [1]}), ("lists", [[]]), ("numbers", 10**400), ("texts", "\u2028é🎵" * 2000)):
        fields = dict.fromkeys(sorted(known), value)
        yield Hostile(f"wrong types: {name}", json.dumps(fields).encode(), counted=False)
    literals = ", ".join(f'"{field}": {"1" * 5000}' for field in sorted(known))
    yield Hostile("wrong types: endless numbers", f"{{{literals}}}".encode(), counted=False)
    yield Hostile("wrong types: 1e400", ("{" + ", ".join(f'"{f}": 1e400' for f in known) + "}").encode(), counted=False)


def hostile_bodies(known: frozenset[str]) -> Iterator[Hostile]:
    """`known`: the fields that the routes have."""
    yield Hostile("as many unknown fields as are read", json.dumps(of_fields(100)).encode(), counted=False)
    long_names = {"é🎵" * 1000 + str(n): 0 for n in range(20)}
    yield Hostile("long unknown names", json.dumps(long_names).encode(), counted=False)
    yield from wrong_types(known)
    yield Hostile("unknown fields", json.dumps(of_fields(101)).encode())
    yield Hostile("very many unknown fields", json.dumps(of_fields(100_000)).encode())
    yield Hostile("megabytes of unknown fields", json.dumps(of_fields(600_000)).encode())
    yield Hostile("many fields inside a known one", json.dumps({name: of_fields(101) for name in known}).encode())
    yield Hostile("one name many times", b'{"prompt": "x"' + b', "prompt": "x"' * 200 + b"}")
    yield Hostile("a long list", json.dumps({"prompt": [0] * 100_000, "requests": [0] * 100_000}).encode())
    yield Hostile("deep lists", b"[" * 100_000)
    yield Hostile("deep objects", b'{"prompt":' * 33 + b"0" + b"}" * 33)
    yield Hostile("deep inside a known field", json.dumps({"prompt": "x"}).encode()[:-1] + b', "a": ' + b"[" * 60_000)
    yield Hostile("long text", json.dumps({"prompt": "x" * 7 * 2**20}).encode())
    yield Hostile("fields of a form", urlencoded_of({k: str(v) for k, v in of_fields(101).items()}), URLENCODED)
    yield Hostile("parts of a form", multipart_of({k: str(v) for k, v in of_fields(5000).items()}), MULTIPART)
    yield Hostile("long text in a form", multipart_of({"prompt": "x" * 400_000}), MULTIPART)


def changing_routes(app: Flask) -> list[tuple[str, str, str]]:
    """(method, rule, an address of it) of all that the route table has, whoever added it."""
    at = app.url_map.bind("localhost")
    return [
        (method, rule.rule, at.build(rule.endpoint, {name: VALUES[name] for name in rule.arguments}, method))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) & set(CHANGING))
    ]
