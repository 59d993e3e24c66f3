"""The guard of /admin/api lets in keys with the scope admin, and while no key exists whoever sits at the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from shared.accounts.key_states import Grant
from shared.settings import Settings
from tests.api.dialects.conftest import bearer
from tests.api.dialects.test_keys_everywhere import ROUTES
from tests.api.operators import OPERATOR

READ, CHANGE = "/admin/api/workers", "/admin/api/workers/w1/drain"
OTHER_HOSTS = [
    *("evil.example", "localhost.evil.example", "evil.localhost", "127.0.0.2", "0.0.0.0", "localhost.", ""),
    *("127.0.0.1.evil.example", "localhost@evil.example", "[::2]", "[::ffff:127.0.0.1]", "2130706433"),
]
PASSED_ON = [
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Forwarded-Anything"),
    *("Forwarded", "Via", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Original-URL"),
    *("Fly-Client-IP", "X-Envoy-External-Address", "CDN-Loop", "X-Cluster-Client-IP", "X-Amzn-Trace-Id"),
]
OTHER_PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "https://localhost"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
]
ALLOWED = "Access-Control-Allow-Origin"
Opener = Callable[..., FlaskClient]


def refused(api: FlaskClient, headers: Mapping[str, str], **environ: str) -> str:
    """Return why both a read and a change are refused."""
    for method, path in (("GET", READ), ("POST", CHANGE)):
        answer = api.open(path, method=method, headers={**OPERATOR, **headers}, environ_overrides=environ)
        assert answer.status_code == 403, (method, headers, environ, answer.text)
        assert ALLOWED not in answer.headers
    return str((answer.json or {})["error"]["message"])


def is_served(api: FlaskClient, headers: Mapping[str, str], **environ: str) -> bool:
    read = api.get(READ, headers=headers, environ_overrides=environ)
    change = api.post(CHANGE, headers={**OPERATOR, **headers}, environ_overrides=environ)
    return (read.status_code, change.status_code) == (200, 200)


def test_whoever_sits_at_the_machine_is_served(api: FlaskClient) -> None:
    for host in ("localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:8000"):
        for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            assert is_served(api, {"Host": host, "Origin": f"http://{host}"}, REMOTE_ADDR=peer), (host, peer)
        assert api.get(READ, headers={"Host": host}).status_code == 200, "a program that only reads"


def test_another_address_is_refused(api: FlaskClient) -> None:
    for peer in ("192.168.1.7", "10.0.0.1", "8.8.8.8", "fe80::1%eth0", "::ffff:192.168.1.7", "", "x"):
        assert "another address" in refused(api, {}, REMOTE_ADDR=peer)


def test_another_host_is_refused_as_a_rebound_name_has_it(api: FlaskClient) -> None:
    for host in OTHER_HOSTS:
        message = refused(api, {"Host": host, "Origin": f"http://{host}"})
        assert "localhost" in message
        assert "--admin" in message


def test_what_a_proxy_passed_on_is_refused_whatever_it_says(api: FlaskClient) -> None:
    for header, value in product(PASSED_ON, ("127.0.0.1", "")):
        assert "passed on by a proxy" in refused(api, {header: value}), header


def test_a_proxy_that_says_nothing_is_known_by_its_old_http_and_a_published_server_by_its_settings(
    api: FlaskClient, open_api: Opener, make_settings: Callable[..., Settings]
) -> None:
    assert "HTTP/1.0" in refused(api, {}, SERVER_PROTOCOL="HTTP/1.0")
    assert "PUBLIC_URL" in refused(open_api(make_settings(public_url="http://localhost")), {})
    on_all = open_api(make_settings(bind_address="0.0.0.0", insecure=True))
    assert "BIND_ADDRESS" in refused(on_all, {})
    assert on_all.get("/tasks").status_code == 200


@pytest.mark.parametrize("named", [(), ("*",), ("https://evil.example", "null", "http://localhost:3000")])
def test_no_other_page_is_served_or_may_read_whatever_cors_origins_says(
    open_api: Opener, make_settings: Callable[..., Settings], named: tuple[str, ...]
) -> None:
    api = open_api(make_settings(cors_origins=named))
    for page in OTHER_PAGES:
        assert "none but /admin itself" in refused(api, page), page
        asked = {**page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-Ostinato-Admin"}
        preflight = api.options(CHANGE, headers=asked)
        assert preflight.status_code == 403
        assert not [name for name, _ in preflight.headers if name.startswith("Access-Control")]


def test_a_change_needs_an_own_origin_and_the_header(api: FlaskClient) -> None:
    for without in OPERATOR:
        answer = api.post(CHANGE, headers={name: value for name, value in OPERATOR.items() if name != without})
        assert answer.status_code == 403
        assert all(name in answer.text for name in OPERATOR)
    assert "w1" not in api.get("/admin/api/audit").text, "nothing was done"


def test_once_keys_exist_a_key_with_the_scope_decides_and_no_other_page_reads_with_it(
    open_api: Opener, make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    api, keys = open_api(make_settings(cors_origins=("*",))), Keys(client)
    operator, ordinary = keys.create_admin("ops")[0], keys.create("studio", Allowance())[0]
    elsewhere = {"Host": "music.example", "Origin": "https://page.example", "X-Forwarded-For": "8.8.8.8"}
    for method, path in (("GET", READ), ("POST", CHANGE)):
        assert api.open(path, method=method, headers=OPERATOR).status_code == 401, "who sits there needs one now, too"
        assert api.open(path, method=method, headers=bearer("ost_0123456789ab_wrong")).status_code == 401
        answer = api.open(path, method=method, headers=bearer(ordinary) | OPERATOR)
        assert answer.status_code == 403
        assert "has not the scope admin" in (answer.json or {})["error"]["message"]
        answer = api.open(path, method=method, headers=bearer(operator) | elsewhere)
        assert answer.status_code == 200
        assert ALLOWED not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
    assert ALLOWED not in api.options(CHANGE, headers=elsewhere).headers


def test_every_route_of_operators_asks_for_the_scope(api: FlaskClient, client: redis.Redis) -> None:
    ordinary = Keys(client).create("studio", Allowance())[0]
    routes = [rule for rule in api.application.url_map.iter_rules() if rule.rule.startswith("/admin/api")]
    assert len(routes) > 10
    for rule in routes:
        built = rule.build(dict.fromkeys(rule.arguments, "x"))
        assert built is not None, rule
        path = built[1]
        for method in (rule.methods or set()) - {"OPTIONS"}:
            assert api.open(path, method=method, headers=bearer(ordinary)).status_code == 403, (method, path)
            assert api.open(path, method=method).status_code == 401, (method, path)
    for path in ("/admin/api", "/admin/api/", "/admin/api/nothing", "/%61dmin/api/workers"):
        assert api.get(path, headers=bearer(ordinary)).status_code == 403, path


def test_an_operators_key_makes_no_music_in_any_dialect(api: FlaskClient, client: redis.Redis) -> None:
    operator, _ = Keys(client).create_admin("ops")
    for path, body in ROUTES.values():
        answer = api.post(path, json=body, headers=bearer(operator))
        assert answer.status_code == 403
        assert "scope admin" in answer.text, path
    assert api.get("/tasks", headers=bearer(operator)).status_code == 403
    assert api.get("/health", headers=bearer(operator)).status_code == 200


def test_no_signed_link_opens_what_is_for_operators(api: FlaskClient, client: redis.Redis) -> None:
    record = Keys(client).create_admin("ops")[1]
    signer: Any = api.application.extensions["signer"]
    for path in (READ, "/tasks"):
        link = signer.sign(path, Grant(record.account, record.id))
        assert api.get(link).status_code == (401 if path == READ else 200)


def test_a_disabled_operators_key_is_refused(api: FlaskClient, client: redis.Redis) -> None:
    keys = Keys(client)
    operator, record = keys.create_admin("ops")
    assert api.get(READ, headers=bearer(operator)).status_code == 200
    keys.disable(record.id)
    assert api.get(READ, headers=bearer(operator)).status_code == 401


def test_the_door_closes_for_whoever_sits_there_when_the_first_key_is_made(
    api: FlaskClient, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.keys.SNAPSHOT_AGE_S", 0.0)
    assert api.get(READ).status_code == 200
    Keys(client).create("one", Allowance())
    assert api.get(READ).status_code == 401
