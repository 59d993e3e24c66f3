"""What a server without keys refuses: changes asked for by foreign pages, and names that are not this machine's."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping

import psutil
import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import EnvironBuilder, run_wsgi_app

from api.auth.keys import Allowance, Keys
from api.auth.origin_guard import SAFE_METHODS
from shared.settings import Settings
from tests.api.dialects.test_keys_everywhere import ROUTES

OPEN_WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
OPEN = {
    *("/", "/health", "/health/ready", "/health/live", "/api/v1/health", "/metrics", "/openapi.json"),
    *("/docs/", "/docs/tiny", "/docs/dist/tiny", "/page/tiny", "/shared", "/shared/audio"),
}
FOREIGN: list[Mapping[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:3000"},  # another server of this machine
    {"Origin": "https://localhost"},  # another scheme
    {"Origin": "http://127.0.0.1"},  # another name of it
    {"Origin": "null"},  # a file, or a sandboxed frame
    {"Origin": ""},
    {"Origin": "http://localhost, http://evil.example"},
    {"Origin": "http://localhost@evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
OWN: list[Mapping[str, str]] = [
    {},
    {"Origin": "http://localhost"},
    {"Origin": "http://localhost:80", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://127.0.0.1:8000", "Host": "127.0.0.1:8000"},
    {"Sec-Fetch-Site": "none"},
]
FOREIGN_HOSTS = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "evil.localhost"),
    *("8.8.8.8", "[2606:4700::1]", "0x7f.1", "2130706433", "localhost:80:80", "localhost@evil.example", "a b", ""),
    *("localhost,evil.example", "[::1", "music"),
]
Opener = Callable[..., FlaskClient]


@pytest.fixture
def app(api: FlaskClient) -> Flask:
    return api.application


def changing(app: Flask) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """(method, path, headers) of all that the route table has beside reading."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - SAFE_METHODS:
            yield method, path_of(rule), {}
        if rule.websocket:
            yield "GET", path_of(rule), OPEN_WEBSOCKET


def path_of(rule: Rule) -> str:
    built = rule.build(dict.fromkeys(rule.arguments, "tiny"))
    assert built is not None
    return str(built[1])


def test_no_changing_route_serves_a_foreign_page(app: Flask, client: redis.Redis) -> None:
    visitor, tried = app.test_client(), 0
    for page in FOREIGN:
        for method, path, headers in changing(app):
            answer = visitor.open(path, method=method, headers={**headers, **page}, data={"prompt": "x"})
            assert answer.status_code == 403, (method, path, page, answer.text)
            tried += 1
    assert tried > 15 * len(FOREIGN)
    assert not client.keys("ostinato:job:*")


def test_no_route_but_the_open_ones_answers_to_a_name_that_is_not_this_machines(
    app: Flask, client: redis.Redis
) -> None:
    """DNS rebinding: to a browser page and server are of one origin then, so reading is refused too."""
    visitor = app.test_client()
    for host in FOREIGN_HOSTS:
        page = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        for method, path, headers in changing(app):
            for sent in ({"Host": host}, page):
                answer = visitor.open(path, method=method, headers={**headers, **sent}, json={})
                assert answer.status_code == 403, (method, path, sent)
    for rule in app.url_map.iter_rules():
        path = path_of(rule)
        refused = visitor.get(path, headers={"Host": "evil.example"}).status_code == 403
        assert refused == (path not in OPEN), path
    assert not client.keys("ostinato:job:*")


def test_programs_and_the_servers_own_pages_notice_nothing(api: FlaskClient) -> None:
    for page in OWN:
        assert api.post("/tasks", json={"prompt": "x"}, headers=dict(page)).status_code == 202, page


def test_whoever_names_no_host_is_a_program_unless_a_page_asks(app: Flask) -> None:
    for page, status in (({}, 202), ({"Origin": "null"}, 403), ({"Origin": "https://evil.example"}, 403)):
        environ = EnvironBuilder("/tasks", method="POST", json={"prompt": "x"}, headers=page).get_environ()
        del environ["HTTP_HOST"]
        _, answered, _ = run_wsgi_app(app.wsgi_app, environ)
        assert answered.startswith(str(status)), page


def own_hosts() -> list[str]:
    addresses = [one.address.partition("%")[0] for each in psutil.net_if_addrs().values() for one in each
                 if one.family in (socket.AF_INET, socket.AF_INET6)]  # fmt: skip
    literal = [f"[{address}]" if ":" in address else address for address in addresses]
    return [
        "localhost",
        "LOCALHOST.",
        "127.0.0.1",
        "127.8.8.8",
        "[::1]",
        "[::ffff:127.0.0.1]",
        socket.gethostname(),
        *literal,
    ]


def test_every_name_and_address_of_this_machine_will_do(api: FlaskClient) -> None:
    for host in own_hosts():
        for port in ("", ":8000"):
            headers = {"Host": host + port, "Origin": f"http://{host}{port}"}
            assert api.post("/tasks", json={"prompt": "x"}, headers=headers).status_code == 202, host


def test_the_host_and_the_pages_of_public_url_are_its_own(
    open_api: Opener, make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(public_url="https://music.example/api"))
    for headers in ({"Host": "music.example"}, {"Host": "music.example", "Origin": "https://music.example"}):
        assert api.post("/tasks", json={"prompt": "x"}, headers=headers).status_code == 202
    rebound = {"Host": "music.example", "Origin": "https://evil.example"}
    assert api.post("/tasks", json={"prompt": "x"}, headers=rebound).status_code == 403


@pytest.mark.parametrize("named", ["https://page.example", "*"])
def test_pages_that_cors_origins_names_are_served_under_any_host(
    open_api: Opener, make_settings: Callable[..., Settings], named: str
) -> None:
    api = open_api(make_settings(cors_origins=(named,)))
    for host in ("localhost", "proxy.example"):
        page = {"Origin": "https://page.example", "Host": host}
        answer = api.post("/tasks", json={"prompt": "x"}, headers=page)
        assert answer.status_code == 202, answer.text
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", page["Origin"])
    other = api.post("/tasks", json={"prompt": "x"}, headers={"Origin": "https://other.example"})
    assert other.status_code == (202 if named == "*" else 403)


@pytest.mark.parametrize(
    ("named", "own", "strange"),
    [
        ("https://page.example/", "https://page.example", "https://page.example.evil.example"),
        ("HTTPS://Page.example:443", "https://page.example", "https://pagexexample"),
        ("http://[::1]:3000", "http://[::1]:3000", "http://1:3000.evil.example"),
        ("null", "null", "https://null"),
    ],
)
def test_a_named_page_is_one_page_and_no_pattern(
    open_api: Opener, make_settings: Callable[..., Settings], named: str, own: str, strange: str
) -> None:
    api = open_api(make_settings(cors_origins=(named,)))
    answers = [api.post("/tasks", json={"prompt": "x"}, headers={"Origin": page}) for page in (own, strange)]
    assert [answer.status_code for answer in answers] == [202, 403]
    assert [answer.headers.get("Access-Control-Allow-Origin") for answer in answers] == [own, None]


def test_a_server_for_everybody_answers_to_any_name_that_no_foreign_page_can_have(
    open_api: Opener, make_settings: Callable[..., Settings]
) -> None:
    """INSECURE=1: it cannot know what containers and routers call it. Foreign pages are refused there too."""
    api = open_api(make_settings(insecure=True))
    for host in ("192.168.1.5:8000", "[fd00::5]", "api:8000", "studio.local", "studio.lan", "studio.home.arpa"):
        assert api.post("/tasks", json={"prompt": "x"}, headers={"Host": host}).status_code == 202, host
        page = {"Host": host, "Origin": "https://evil.example"}
        assert api.post("/tasks", json={"prompt": "x"}, headers=page).status_code == 403, host
    assert api.post("/tasks", json={"prompt": "x"}, headers={"Host": "evil.example"}).status_code == 403


def test_the_refusal_names_the_remedy_in_the_dialects_own_shape(api: FlaskClient) -> None:
    for path, body in ROUTES.values():
        expect_remedies(api, path, body)


def expect_remedies(api: FlaskClient, path: str, body: Mapping[str, object]) -> None:
    for headers, remedy in (
        ({"Origin": "https://evil.example"}, "CORS_ORIGINS"),
        ({"Host": "evil.example"}, "PUBLIC_URL"),
    ):
        told = api.post(path, json=body, headers=headers)
        assert told.status_code == 403
        answer = told.get_json()
        message = answer.get("message") or answer.get("detail") or answer["error"]
        message = message["message"] if isinstance(message, dict) else message
        assert remedy in message
        assert "evil.example" in message


def test_once_keys_exist_the_key_decides(api: FlaskClient, client: redis.Redis) -> None:
    key, _ = Keys(client).create("one", Allowance())
    headers = {"X-API-Key": key, "Origin": "https://evil.example", "Host": "music.example"}
    assert api.post("/tasks", json={"prompt": "x"}, headers=headers).status_code == 202
    del headers["X-API-Key"]
    assert api.post("/tasks", json={"prompt": "x"}, headers=headers).status_code == 401
