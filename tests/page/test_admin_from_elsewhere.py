"""The operator's page gives nothing to a foreign page, a rebound name or a proxy."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from shared.jobs.store import JobStore
from tests.api.operators import OPERATOR
from tests.api.served import Served
from tests.browser.pages import serve_pages

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

PATHS = ("workers", "keys", "tasks", "audit")
ASK = """async ({ url, how }) => {
  try {
    const answer = await fetch(url, how);
    return answer.status;
  } catch (error) {
    return error.name;
  }
}"""


def change(url: str, **how: Any) -> dict[str, Any]:
    return {"url": url, "how": {"method": "POST", **how}}


@pytest.mark.usefixtures("worker")
def test_a_foreign_page_and_a_rebound_name_read_and_change_nothing(
    browser: Browser, unlocked: Served, store: JobStore, tmp_path: Path
) -> None:
    api, drain = f"{unlocked.url}/admin/api", "workers/w1/drain"
    with serve_pages(tmp_path) as pages, browser.new_page() as page:
        page.goto(pages.origin)
        assert page.evaluate(ASK, {"url": f"{unlocked.url}/health/live", "how": {}}) == 200, (
            "named pages are served else"
        )
        for path in PATHS:
            assert page.evaluate(ASK, {"url": f"{api}/{path}", "how": {}}) == "TypeError", path
        page.evaluate(ASK, change(f"{api}/{drain}", mode="no-cors"))
        assert page.evaluate(ASK, change(f"{api}/{drain}", headers={"X-Ostinato-Admin": "1"})) == "TypeError"
        page.goto(f"{unlocked.url.replace('127.0.0.1', 'evil.localhost')}/health/live")  # as a rebound name resolves
        for path in PATHS:
            assert page.evaluate(ASK, {"url": f"/admin/api/{path}", "how": {}}) == 403, path
        assert page.evaluate(ASK, change(f"/admin/api/{drain}", headers={"X-Ostinato-Admin": "1"})) == 403
        refused = page.goto(f"{unlocked.url.replace('127.0.0.1', 'evil.localhost')}/admin")
        assert refused is not None
        assert refused.status == 403
        page.goto(f"{unlocked.url}/docs/")
        assert page.evaluate(ASK, {"url": "/admin/api/workers", "how": {}}) == 200, "the server's own page"
        assert page.evaluate(ASK, change(f"/admin/api/{drain}")) == 403, "without the header"
        assert not store.reader.is_drained("w1")
        assert page.evaluate(ASK, change(f"/admin/api/{drain}", headers={"X-Ostinato-Admin": "1"})) == 200
    assert store.reader.is_drained("w1")


@contextmanager
def proxy_before(port: int, version: int, headers: dict[str, str]) -> Iterator[int]:
    """Pass requests on as proxies do: by an HTTP version of theirs, with headers of theirs."""

    class Connection(http.client.HTTPConnection):
        _http_vsn, _http_vsn_str = version, f"HTTP/1.{version - 10}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            connection = Connection("127.0.0.1", port)
            connection.request(self.command, self.path, headers={**dict(self.headers), **headers})
            answer = connection.getresponse()
            self.send_response(answer.status)
            self.end_headers()
            self.wfile.write(answer.read())
            connection.close()

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.usefixtures("worker")
def test_who_comes_through_a_proxy_is_refused(unlocked: Served, store: JobStore) -> None:
    host = f"127.0.0.1:{unlocked.port}"
    own = {**OPERATOR, "Origin": f"http://{host}", "Host": host}
    kinds = [
        (11, {"X-Forwarded-For": "8.8.8.8"}),
        (11, {"Via": "1.1 proxy"}),
        (11, {"X-Real-IP": "127.0.0.1"}),
        (10, {}),
    ]
    for version, added in kinds:
        with proxy_before(unlocked.port, version, added) as port:
            for method, path in (
                ("GET", "/admin"),
                ("GET", "/admin/api/keys"),
                ("POST", "/admin/api/workers/w1/drain"),
            ):
                connection = http.client.HTTPConnection("127.0.0.1", port)
                connection.request(method, path, headers=own)
                answer = connection.getresponse()
                assert (answer.status, b"proxy" in answer.read()) == (403, True), (version, added, path)
                connection.close()
    assert not store.reader.is_drained("w1")
