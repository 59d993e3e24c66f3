"""The page as it is sent: to whom, with which policy, and which of its files."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from flask.testing import FlaskClient

from api.auth.keys import Allowance, Keys
from api.page import page_files
from shared.settings import Settings

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
NAVIGATES = {"Sec-Fetch-Mode": "navigate"}

PEOPLE = [
    {"Accept": CHROME, **NAVIGATES},
    {"Accept": CHROME},  # browsers of before 2023, and those on http addresses of a network
    {"Accept": "text/html", **NAVIGATES},
]
PROGRAMS = [
    {},
    {"Accept": "*/*"},
    {"Accept": "*/*", **NAVIGATES},
    {"Accept": "application/json"},
    {"Accept": "text/html"},
    {"Accept": JAVA},
    {"Accept": "application/json, text/html;q=0.9", **NAVIGATES},
    {"Accept": "text/html, application/json", **NAVIGATES},
    {"Accept": "text/html, application/xhtml+xml;q=0"},
    {"Accept": "nonsense"},
]


def page(api: FlaskClient, **headers: str) -> tuple[str, dict[str, str]]:
    """Return the page and its headers."""
    answer = api.get("/", headers={"Accept": CHROME, **NAVIGATES, **headers})
    assert answer.status_code == 200
    return answer.get_data(as_text=True), dict(answer.headers)


@pytest.mark.parametrize("headers", PEOPLE)
def test_a_browser_that_navigates_gets_the_page(api: FlaskClient, headers: dict[str, str]) -> None:
    answer = api.get("/", headers=headers)
    assert answer.content_type == "text/html; charset=utf-8"
    assert answer.headers["Vary"] == "Accept, Sec-Fetch-Mode"


@pytest.mark.parametrize("headers", PROGRAMS)
def test_every_program_gets_json_which_names_the_page(api: FlaskClient, headers: dict[str, str]) -> None:
    answer = api.get("/", headers=headers)
    told = answer.get_json()
    assert (told["docs"], told["openapi"], told["page"]) == ("GET /docs", "GET /openapi.json", "GET / in a browser")
    assert answer.headers["Vary"] == "Accept, Sec-Fetch-Mode"


def test_the_policy_lets_in_nothing_inline_but_the_import_map_by_its_hash_and_one_style_by_its_nonce(
    api: FlaskClient,
) -> None:
    html, headers = page(api)
    policy = headers["Content-Security-Policy"]
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', html, re.S)
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    directives = dict(each.split(" ", 1) for each in policy.split("; "))
    assert directives["script-src"] == f"'self' 'sha256-{digest}'"
    (nonce,) = re.findall(r'nonce="([^"]+)"', html)
    assert directives["style-src"] == f"'self' 'nonce-{nonce}'"
    assert directives["default-src"] == directives["base-uri"] == directives["frame-ancestors"] == "'none'"
    assert (directives["worker-src"], directives["media-src"]) == ("'self' blob:", "'self' blob:")
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert nonce not in page(api)[0], "each page has another"


def test_the_policy_names_the_stores_origin_where_audio_lies_there(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    store = {"s3_bucket_name": "music", "s3_access_key": "a", "s3_secret_key": "b"}
    settings = make_settings(
        **store, s3_endpoint_url="http://store:8333", s3_public_endpoint_url="https://s3.example/x"
    )
    _, headers = page(open_api(settings))
    directives = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert directives["media-src"] == directives["connect-src"] == "'self' blob: https://s3.example"
    assert "s3.example" not in directives["script-src"]


def test_every_address_in_the_page_is_relative_and_leads_to_a_file_that_is_kept_for_good(api: FlaskClient) -> None:
    html, _ = page(api)
    imports = json.loads(re.findall(r'<script type="importmap">(.*?)</script>', html, re.S)[0])["imports"]
    addresses = [*re.findall(r'(?:src|href)="([^"]+)"', html), *imports.values()]
    assert len(addresses) > 10
    for address in addresses:
        assert not address.startswith(("/", "http")), address
        answer = api.get("/" + address.removeprefix("./"))
        assert answer.status_code == 200, address
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_names_all_modules_that_its_entry_imports_so_that_none_is_waited_for(api: FlaskClient) -> None:
    html, _ = page(api)
    named = re.findall(r'<link rel="modulepreload" href="\./page/\w+/([^"]+)">', html)
    assert {"main.js", "views/app.js", "state/session.js", "words.js", "client/index.js", "preact.js"} <= set(named)
    assert len(named) == len(set(named))
    assert not [name for name in named if "wavesurfer" in name or name.startswith("views/admin")]


def test_a_file_is_sent_zipped_to_who_takes_that_and_once_to_who_has_it(api: FlaskClient) -> None:
    address = re.findall(r'src="([^"]+main\.js)"', page(api)[0])[0]
    plain = api.get(f"/{address}", headers={"Accept-Encoding": "identity"})
    zipped = api.get(f"/{address}", headers={"Accept-Encoding": "gzip, br"})
    assert gzip.decompress(zipped.data) == plain.data
    assert plain.headers["Vary"] == zipped.headers["Vary"] == "Accept-Encoding"
    again = api.get(f"/{address}", headers={"Accept-Encoding": "gzip", "If-None-Match": zipped.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_page_from_before_an_upgrade_still_gets_its_files_but_keeps_them_under_no_old_name(api: FlaskClient) -> None:
    answer = api.get("/page/0123456789abcdef/main.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path",
    [
        *("", "x", "x/", "x/package.json", "x/package-lock.json", "x/served.json", "x/index.html", "x/tsconfig.json"),
        *("x/vendor/preact.js", "x/.complete", "x/styles", "x/styles/", "x/../package.json", "x/%2e%2e/package.json"),
        *("x/..%2fpackage.json", "x//etc/passwd", "x/client/index.d.ts", "x/main.js/", "x/main.js%00", "x/MAIN.JS"),
    ],
)
def test_nothing_else_is_served_and_no_folder_is_listed(api: FlaskClient, path: str) -> None:
    answer = api.get(f"/page/{path}")
    assert answer.status_code == 404
    assert answer.is_json


def test_page_and_files_need_no_key_and_tasks_do(api: FlaskClient, client: redis.Redis, settings: Settings) -> None:
    Keys(client).create("one", Allowance())
    address = re.findall(r'src="([^"]+main\.js)"', page(api)[0])[0]
    assert api.get(f"/{address}").status_code == 200
    assert api.get("/tasks").status_code == 401


def test_without_its_libraries_it_says_how_to_get_them_and_all_else_works(
    api: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page_files, "VENDOR", tmp_path)
    html, headers = page(api)
    assert "make install" in html
    assert "<script" not in html
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert api.get("/page/x/main.js").status_code == 404
    assert api.get("/tasks").status_code == 200


def test_after_an_upgrade_that_has_one_library_more_it_says_so_too(
    api: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".complete").touch()
    (tmp_path / "preact.js").touch()
    monkeypatch.setattr(page_files, "VENDOR", tmp_path)
    assert "make install" in page(api)[0]
