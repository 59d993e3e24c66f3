"""What hostile requests get: a refusal, in the dialect's words, and nothing of anybody else's.

Elsewhere: receivers of webhooks (tests/housekeeping/webhooks/test_safe_http.py), what a decoder of uploads may use
(test_melody.py, test_decoder_process.py), pages of other origins (test_cors.py, test_origin_guard.py,
test_foreign_pages.py), servers without keys (test_exposure.py).
"""

from __future__ import annotations

import hmac
import io
import logging
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

import api.auth.keys
from api.auth.keys import Allowance, Keys
from api.services.job_service import JobService
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.dialects.test_keys_everywhere import ROUTES, bearer
from tests.api.served import Served, serve
from tests.audio_fixtures import file_of, silence

pytestmark = pytest.mark.slow

SECRET = b"nobody may read this"
ALIASES = dict.fromkeys(("small", "medium", "large"), "tiny")
NAMES = [
    *("../secret", "../../secret.wav", "..%2f..%2fsecret", "..\\..\\secret", "....//....//secret", "%2e%2e/secret"),
    *("/etc/passwd", "//etc/passwd", "secret\0.wav", "secret%00.wav", ".", "..", "~root", "%", "%c0%ae%c0%ae/secret"),
    *("gen_20250101_000000_00000000.wav/../../secret", "results/../../secret", "x" * 5000, "\u202e\u0000", "a\r\nb: c"),
]


@pytest.fixture
def app(client: redis.Redis, open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]) -> Flask:
    return open_api(make_settings(model_aliases=ALIASES)).application


@pytest.fixture
def keys(client: redis.Redis) -> Keys:
    return Keys(client)


def hostile_paths(rule: Rule, name: str) -> list[str]:
    """The rule's address with the name in the place of each of its arguments, as it is and escaped."""
    filled = dict.fromkeys(rule.arguments, "tiny")
    found = []
    for argument in rule.arguments:
        for written in (name, quote(name, safe="")):
            path = rule.rule
            for each, value in (filled | {argument: written}).items():
                path = path.replace(f"<path:{each}>", value).replace(f"<{each}>", value)
            found.append(path)
    return found


def test_no_name_in_any_address_leads_out_of_its_place(app: Flask, settings: Settings) -> None:
    for folder in (settings.local_storage_path, *settings.local_storage_path.parents[:2]):
        folder.mkdir(exist_ok=True)
        for name in ("secret", "secret.wav"):
            (folder / name).write_bytes(SECRET)
    visitor, tried = app.test_client(), 0
    for rule in app.url_map.iter_rules():
        assert rule.methods
        for name in NAMES if rule.arguments else []:
            for path in hostile_paths(rule, name):
                for method in rule.methods - {"OPTIONS", "HEAD"}:
                    answer = visitor.open(path, method=method, json={} if method == "POST" else None)
                    tried += 1
                    assert answer.status_code < 500, (method, path)
                    assert SECRET not in answer.data
                    assert not any("\n" in value or "\r" in value for value in answer.headers.values())
    assert tried > 500


def test_a_name_in_a_key_of_the_store_is_never_the_callers(api: FlaskClient, store: JobStore) -> None:
    api.post("/tasks", json={"prompt": "x", "client_id": "../../evil"})
    job = store.claim("tiny", "w1")
    assert job is not None
    assert job.request.client_id == "../../evil"
    assert ".." not in job.id


OWN = [
    *("account", "status", "task_id", "job_id", "source", "attempt", "worker", "leader", "place", "turn", "schema"),
    *("created_at", "result", "audio_url", "concurrent", "__class__"),
]


def test_what_belongs_to_the_service_cannot_be_set(app: Flask, client: redis.Redis) -> None:
    visitor = app.test_client()
    for dialect, (path, body) in ROUTES.items():
        for field in OWN:
            wrong = {"input": body["input"] | {field: "other"}} if dialect == "runpod" else body | {field: "other"}
            answer = visitor.post(path, json=wrong)
            told = answer.get_data(as_text=True)
            assert answer.status_code == (200 if dialect == "runpod" else 400), told
            assert field in told
    assert not client.keys("ostinato:job:*")


def test_nothing_of_one_account_can_be_moved_by_another(app: Flask, keys: Keys, store: JobStore) -> None:
    visitor = app.test_client()
    mine, other = (keys.create(name, Allowance())[0] for name in ("mine", "other"))
    send = {"Idempotency-Key": "once"}
    first, second = (
        visitor.post("/tasks", json={"prompt": "x"}, headers=bearer(key) | send).json or {} for key in (mine, other)
    )
    assert first["task_id"] != second["task_id"], "an Idempotency-Key is its account's"
    assert (visitor.post("/v2/tiny/purge-queue", headers=bearer(other)).json or {})["removed"] == 1
    for path in (f"/v2/tiny/cancel/{first['task_id']}", f"/v2/tiny/retry/{first['task_id']}"):
        assert visitor.post(path, headers=bearer(other)).status_code == 404
    for query in ("", "?purge=1"):
        assert visitor.delete(f"/tasks/{first['task_id']}{query}", headers=bearer(other)).status_code == 404
    assert store.reader.get(first["task_id"]).status.value == "queued"


def test_deep_json_and_large_bodies_are_refused_in_every_dialect(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    visitor = open_api(make_settings(max_body_mb=0.5, model_aliases=ALIASES))
    for path, _ in ROUTES.values():
        _send_too_much(visitor, path)


def _send_too_much(visitor: FlaskClient, path: str) -> None:
    for text in ("[" * 100_000, '{"a":' * 50_000, '{"prompt": ' + "[" * 900 + "]" * 900 + "}"):
        deep = visitor.post(path, data=text, content_type="application/json")
        assert deep.status_code == 400, deep.get_data(as_text=True)[:200]
        assert len(deep.data) < 2000
    assert visitor.post(path, json={"prompt": "x" * 2**20}).status_code == 413
    form = visitor.post(path, data={"prompt": "x" * 400_000}, content_type="multipart/form-data")
    assert form.status_code in (400, 413)
    many = visitor.post(path, data={f"f{n}": "1" for n in range(2000)}, content_type="multipart/form-data")
    assert many.status_code in (400, 413)


@pytest.mark.parametrize(("path", "kind"), [("/tasks", "flac"), ("/generate-with-melody", "mp3")])
def test_an_upload_that_unpacks_to_hundreds_of_times_its_size_is_refused_and_costs_the_server_nothing(
    app: Flask, path: str, kind: str
) -> None:
    bomb = file_of(silence(60, rate_hz=8000), 8000, kind, repeat=11)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    form = {"prompt": "x", "melody": (io.BytesIO(bomb), f"../../bomb.{kind}")}
    answer = app.test_client().post(path, data=form, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert "longer than 600 s" in answer.get_data(as_text=True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 30_000


@pytest.mark.parametrize("dialect", ["tasks", "v1_audio", "runpod"])
def test_no_webhook_leads_to_this_machine_or_its_network(app: Flask, client: redis.Redis, dialect: str) -> None:
    visitor, (path, body) = app.test_client(), ROUTES[dialect]
    for url in ("http://127.0.0.1:6379/", "http://169.254.169.254/latest/", "http://[::1]/", "file:///etc/passwd"):
        answer = visitor.post(path, json=body | {"webhook" if dialect == "runpod" else "webhook_url": url})
        assert answer.status_code == 400 or (answer.json or {})["status"] == "FAILED"
    assert not client.keys("ostinato:job:*")


# keys


def test_a_key_is_compared_in_constant_time_whatever_is_wrong_with_it(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[Any, Any]] = []

    def compare(one: Any, two: Any) -> bool:
        compared.append((one, two))
        return hmac.compare_digest(one, two)

    keys = Keys(client, ("static-key",))
    key, _ = keys.create("one", Allowance())
    monkeypatch.setattr(api.auth.keys, "hmac", type("Hmac", (), {"compare_digest": staticmethod(compare)}))
    for given in (key, key[:-1] + "?", "ost_000000000000_unknown", "static-key", "static-kez"):
        compared.clear()
        keys.find(given)
        assert compared, given
        assert all(len(one) == len(two) == 64 for one, two in compared), "digests, which say nothing of a key's start"


def test_a_key_stands_in_no_log_no_answer_and_no_record(
    app: Flask, client: redis.Redis, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key, _ = keys.create("one", Allowance())
    wrong = "ost_0123456789ab_verysecretbutwrong"
    answers = []
    for given in (key, wrong, "\u2603", "a b"):
        headers = {"X-API-Key": given.encode("utf-8", "replace").decode("latin-1")}
        answers += [app.test_client().get(path, headers=headers) for path in ("/tasks", "/usage", "/nothing")]
        answers.append(app.test_client().post("/tasks", json={"prompt": "x"}, headers=headers))
    assert {answer.status_code for answer in answers} == {200, 202, 401, 404}
    said = caplog.text + "".join(answer.get_data(as_text=True) + str(answer.headers) for answer in answers)
    secrets = (key, key.split("_", 2)[2], wrong)
    assert not [secret for secret in secrets if secret in said]
    for name in client.scan_iter("*"):
        kind = client.type(name)
        kept = client.hgetall(name) if kind == "hash" else client.get(name) if kind == "string" else ""
        assert not [secret for secret in secrets if secret in f"{name} {kept}"], name


def test_settings_show_no_secret(make_settings: Callable[..., Settings]) -> None:
    shown = repr(make_settings(api_keys=("topsecret",), s3_secret_key="alsosecret", redis_url="redis://:pass@h"))
    assert "topsecret" not in shown
    assert "alsosecret" not in shown
    assert ":pass@" not in shown


# headers and logs


def test_an_idempotency_key_is_plain_or_refused(app: Flask, client: redis.Redis) -> None:
    for key in ("a\u0085b", "a b", "\x7f", "\u00e9", "x" * 256, ""):
        answer = app.test_client().post("/tasks", json={"prompt": "x"}, headers={"Idempotency-Key": key})
        assert answer.status_code == 400, key
    assert not client.keys("ostinato:idem:*")


def test_what_a_caller_sends_makes_no_line_of_its_own_in_the_log(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(JobService, "get", fail)
    visitor = app.test_client()
    assert visitor.get("/tasks/x%0AERROR%20forged%20line").status_code == 500
    visitor.post("/tasks", json={"prompt": "a\nERROR forged line", "client_id": "b\nERROR forged line"})
    assert "unforeseen" in caplog.text
    assert not [line for line in caplog.text.splitlines() if line.startswith("ERROR forged")]


def test_a_forged_host_changes_no_link_where_the_public_address_is_set(
    open_api: Callable[..., FlaskClient],
    make_settings: Callable[..., Settings],
    keys: Keys,
    store: JobStore,
    finish: Callable[[Job, bytes], Job],
) -> None:
    key = bearer(keys.create("one", Allowance())[0])  # without keys, such a host is refused: test_origin_guard.py
    visitor = open_api(make_settings(public_url="https://music.example", model_aliases=ALIASES))
    task_id = (visitor.post("/api/v1/generate", json={"prompt": "x", "duration": 1}, headers=key).json or {})["task_id"]
    job = store.claim("tiny", "w1")
    assert job is not None
    finish(job, b"RIFF")
    told = visitor.get(f"/api/v1/generate/{task_id}", headers=key | {"Host": "evil.example"}).json or {}
    assert told["audio_url"].startswith("https://music.example/")


# as it is served


@pytest.fixture
def served(client: redis.Redis, settings: Settings, tmp_path: Path) -> Iterator[Served]:
    """One process whose callers have two seconds for a body of at most a megabyte."""
    with serve(tmp_path, settings, SERVED_MODELS="tiny", BODY_TIMEOUT_S="2", MAX_BODY_MB="1") as api:
        yield api


def test_as_served_bodies_may_neither_drip_nor_swell_and_the_log_stays_whole(served: Served) -> None:
    port, log_path = served.port, served.program.log_path
    drips = [open_request(port, "Content-Length: 100\r\n") for _ in range(20)]
    for drip in drips:
        drip.sendall(b'{"prompt"')
    swollen = open_request(port, "Transfer-Encoding: chunked\r\n")
    for _ in range(40):
        try:
            swollen.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        except OSError:
            break
    assert status_of(swollen) in (0, 413)  # 0: closed before we read
    large = open_request(port, f"Content-Length: {10**12}\r\n")
    assert status_of(large) == 413
    quick = ask(port, "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b" 200 " in quick.partition(b"\r\n")[0]
    assert [status_of(drip) for drip in drips] == [408] * len(drips)
    smuggled = "GET /tasks HTTP/1.1\r\nHost: x\r\nX-A: b\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 400 " in ask(port, smuggled).partition(b"\r\n")[0]
    injected = ask(
        port, "POST /tasks HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\0b\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert b" 400 " in injected.partition(b"\r\n")[0]
    escape = ask(port, "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\x1b[2Jb\r\nConnection: close\r\n\r\n")
    assert b" 400 " in escape.partition(b"\r\n")[0]
    ask(
        port,
        "GET /x%0d%0aFORGED?signature=verysecret HTTP/1.1\r\nHost: x\r\nUser-Agent: \x9bb\r\n"
        "Referer: http://p/?signature=verysecret\r\nX-API-Key: verysecret\r\nConnection: close\r\n\r\n",
    )
    give_up_at = time.monotonic() + 5
    while "/x%0d%0aFORGED?..." not in (log := log_path.read_text(errors="surrogateescape")):
        assert time.monotonic() < give_up_at, log
        time.sleep(0.02)
    assert not [line for line in log.splitlines() if line.startswith("FORGED")]
    assert "verysecret" not in log
    assert all(character.isprintable() or character == "\n" for character in log)


def open_request(port: int, headers: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n"
    connection.sendall(head.encode())
    return connection


def status_of(connection: socket.socket) -> int:
    try:
        with connection:
            first = connection.recv(65536).split(b" ", 2)
    except ConnectionResetError:
        return 0
    return int(first[1]) if len(first) > 1 else 0


def ask(port: int, request: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request.encode("latin-1"))
        return connection.recv(65536)
