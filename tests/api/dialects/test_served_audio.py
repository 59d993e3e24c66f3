"""Serve stored audio over HTTP, from a folder and from S3: ranges, conditions, and files that are gone or cut."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from shared.settings import Settings
from shared.storage import Storage
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.dialects.conftest import ALIASES, Player
from tests.servers import S3Server

pytestmark = pytest.mark.slow

CLIP_BYTES = 44 + 2 * 32000  # what the player makes of a second
BODY = {"prompt": "x", "duration": 1}


@pytest.fixture(params=["local", "s3"])
def dialect_settings(request: pytest.FixtureRequest, make_settings: Callable[..., Settings]) -> Settings:
    place: dict[str, Any] = {}
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        place = dict(server.settings)
    return make_settings(model_aliases=ALIASES, default_model="small", **place)


def made(api: FlaskClient) -> dict[str, str]:
    """Make a clip through each document that names files of this server. Return the addresses of their audio."""
    clip = (api.post("/generate", json=BODY).json or {})["audio_url"]
    file = (api.post("/generate/", json={"text": "x", "duration": 1}).json or {})["file_url"]
    task_id = clip.rpartition("/")[2].partition(".")[0]
    return {"/audio": clip, "/files": file, "/tasks": f"/tasks/{task_id}/audio", "stream": f"/tasks/{task_id}/stream"}


def served_here(api: FlaskClient, settings: Settings) -> list[str]:
    """Return the addresses that answer with bytes: on S3, the native ones lead to the store."""
    addresses = made(api)
    return [a for name, a in addresses.items() if name in ("/audio", "/files") or not settings.s3_bucket_name]


def test_files_and_audio_are_bytes_wherever_they_lie_and_the_native_address_may_lead_to_the_store(
    api: FlaskClient, dialect_settings: Settings
) -> None:
    addresses = made(api)
    for name in ("/audio", "/files"):
        whole = api.get(addresses[name])
        assert (whole.status_code, len(whole.data), whole.data[:4]) == (200, CLIP_BYTES, b"RIFF")
        assert whole.headers["Content-Length"] == str(CLIP_BYTES)
        part = api.get(addresses[name], headers={"Range": "bytes=-10"})
        assert (part.status_code, part.data) == (206, whole.data[-10:])
        assert part.headers["Content-Range"] == f"bytes {CLIP_BYTES - 10}-{CLIP_BYTES - 1}/{CLIP_BYTES}"
        assert part.headers["ETag"] == whole.headers["ETag"]
        head = api.head(addresses[name])
        assert (head.status_code, head.headers["Content-Length"], head.data) == (200, str(CLIP_BYTES), b"")
    wanted = 302 if dialect_settings.s3_bucket_name else 200
    assert {api.get(addresses[name]).status_code for name in ("/tasks", "stream")} == {wanted}


def test_who_cannot_follow_a_link_gets_the_bytes_from_here_whole_and_in_ranges(api: FlaskClient) -> None:
    addresses = made(api)
    for name in ("/tasks", "stream"):
        address = f"{addresses[name]}?via=server"
        whole = api.get(address)
        assert (whole.status_code, len(whole.data), whole.data[:4]) == (200, CLIP_BYTES, b"RIFF")
        part = api.get(address, headers={"Range": "bytes=-10"})
        assert (part.status_code, part.data) == (206, whole.data[-10:])
        refused = api.get(f"{addresses[name]}?via=pigeon")
        assert refused.status_code == 400
        assert "via: send one of store, server" in refused.get_data(as_text=True)


def test_a_range_that_reaches_beyond_the_clip_is_what_there_is_of_it_or_a_416_that_says_how_much_that_is(
    api: FlaskClient, dialect_settings: Settings
) -> None:
    for address in served_here(api, dialect_settings):
        for span in (f"bytes=-{CLIP_BYTES + 1}", f"bytes=0-{10 * CLIP_BYTES}", "bytes=0-"):
            all_of_it = api.get(address, headers={"Range": span})
            assert (all_of_it.status_code, len(all_of_it.data)) == (206, CLIP_BYTES), (address, span)
            assert all_of_it.headers["Content-Range"] == f"bytes 0-{CLIP_BYTES - 1}/{CLIP_BYTES}"
        refused = api.get(address, headers={"Range": f"bytes={CLIP_BYTES}-"})
        assert (refused.status_code, refused.headers["Content-Range"]) == (416, f"bytes */{CLIP_BYTES}")
        said = refused.get_data(as_text=True)
        assert (f"bytes={CLIP_BYTES}-" in said, f"has {CLIP_BYTES} bytes" in said) == (True, True)


def test_a_range_of_another_clip_is_the_whole_one(api: FlaskClient, dialect_settings: Settings) -> None:
    for address in served_here(api, dialect_settings):
        etag = api.head(address).headers["ETag"]
        for others in (
            '"another"',
            f"W/{etag}",
            "Tue, 01 Jul 2025 00:00:00 GMT",
            etag.strip('"'),
            "*",
            f"{etag}, {etag}",
        ):
            for span in ("bytes=0-9", f"bytes={CLIP_BYTES}-"):
                whole = api.get(address, headers={"Range": span, "If-Range": others})
                assert (whole.status_code, len(whole.data)) == (200, CLIP_BYTES), others
                assert "Content-Range" not in whole.headers
        part = api.get(address, headers={"Range": "bytes=0-9", "If-Range": etag})
        assert (part.status_code, len(part.data)) == (206, 10)
        assert api.get(address, headers={"Range": f"bytes={CLIP_BYTES}-", "If-Range": etag}).status_code == 416


def test_what_the_caller_has_already_is_not_sent_again_however_weakly_it_says_so(
    api: FlaskClient, dialect_settings: Settings
) -> None:
    for address in served_here(api, dialect_settings):
        etag = api.head(address).headers["ETag"]
        for known in (etag, f"W/{etag}", f'"x", W/{etag}', "*"):
            for method in ("GET", "HEAD"):
                same = api.open(address, method=method, headers={"If-None-Match": known, "Range": "bytes=0-9"})
                assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag), known
        assert api.get(address, headers={"If-None-Match": 'W/"x"'}).status_code == 200


def remove(storage: Storage, key: str) -> None:
    storage.delete(key)


def cut(storage: Storage, key: str) -> None:
    storage.put(key, storage.read(key)[:-1000], "audio/wav")


def lengthen(storage: Storage, key: str) -> None:
    storage.put(key, storage.read(key) + b"more", "audio/wav")


@pytest.mark.parametrize("spoil", [remove, cut, lengthen])
def test_a_file_that_is_gone_or_not_whole_is_a_404_in_every_dialect(
    api: FlaskClient, player: Player, spoil: Callable[[Storage, str], None]
) -> None:
    addresses = made(api)
    etags = {name: api.head(addresses[name]).headers["ETag"] for name in ("/audio", "/files")}
    player.spoil = spoil
    broken = made(api)
    answers = {name: api.get(address) for name, address in broken.items()}
    for name, etag in etags.items():  # equal requests, equal bytes, but not stored any more
        answers[f"{name} part"] = api.get(broken[name], headers={"Range": "bytes=0-9"})
        answers[f"{name} past"] = api.get(broken[name], headers={"Range": f"bytes={CLIP_BYTES - 1}-"})
        answers[f"{name} behind"] = api.get(broken[name], headers={"Range": f"bytes={CLIP_BYTES + 9}-"})
        answers[f"{name} known"] = api.get(broken[name], headers={"If-None-Match": etag})
        assert api.head(broken[name]).status_code == 404
    answers["base64"] = api.post("/generate", json=BODY | {"return_type": "base64"})
    answers["runsync"] = api.post("/v2/tiny/runsync", json={"input": BODY})
    task_id = broken["/tasks"].split("/")[2]
    answers["status"], answers["chunk"] = api.get(f"/v2/tiny/status/{task_id}"), api.get(f"/v2/tiny/stream/{task_id}")
    for name, answer in answers.items():
        assert answer.status_code == 404, (name, answer.status_code)
        text = answer.get_data(as_text=True)
        assert answer.is_json, name
        assert "submit it again" in text, name
        assert "results/" not in text, "the key is the store's affair"
    player.spoil = lambda storage, key: None
    sound = api.post("/generate", json=BODY | {"return_type": "base64"}).json or {}
    assert len(base64.b64decode(sound["audio"])) == CLIP_BYTES


def test_no_answer_may_be_taken_for_another_type_than_it_names(client: redis.Redis, settings: Settings) -> None:
    """Ask each route with each method, whatever it answers."""
    WorkerRegistry(client, settings).announce(TINY)
    app = create_app(settings)
    visitor, statuses = app.test_client(), set()
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<path:{argument}>", "x").replace(f"<{argument}>", "x")
        for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT"):
            answer = visitor.open(path, method=method)
            assert answer.headers["X-Content-Type-Options"] == "nosniff", (method, path)
            statuses.add(answer.status_code)
    assert {200, 400, 404, 405} <= statuses
    assert visitor.get("/no/such/place").headers["X-Content-Type-Options"] == "nosniff"
