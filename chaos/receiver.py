"""Receive webhooks on the loopback address: check signatures, and record what was delivered (`Receiver`).

It refuses some deliveries at first, as receivers do.
"""

from __future__ import annotations

import json
import secrets
import threading
from base64 import b64encode
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from stack.ports import LOOPBACK

REFUSE_EVERY = 10  # one delivery in so many is answered 500 the first time


class Receiver:
    """Serve within a `with` block. `delivered` maps (task id, event) to the ids of its deliveries."""

    def __init__(self) -> None:
        self.secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        self.delivered: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.bad_signatures = 0
        self.refused: set[str] = set()
        self._lock = threading.Lock()
        self._seen = 0
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}/hook"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """Record one delivery, and return the HTTP status to reply with."""
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            with self._lock:
                self.bad_signatures += 1
            return 401
        payload, webhook_id = json.loads(body), headers["webhook-id"]
        with self._lock:
            self._seen += 1
            if self._seen % REFUSE_EVERY == 0 and webhook_id not in self.refused:
                self.refused.add(webhook_id)
                return 500
            self.delivered[payload["data"]["task_id"], payload["type"].removeprefix("task.")].add(webhook_id)
        return 204

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status = receiver.take(body, {name.lower(): value for name, value in self.headers.items()})
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
