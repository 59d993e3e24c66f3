"""Serve a folder of pages, so that they come from another origin than the API: two of them, in fact."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

EMPTY_PAGE = b"<!doctype html><meta charset=utf-8><title>A page</title><link rel=icon href=data:,>"


@dataclass(frozen=True)
class Pages:
    """Name the same folder's two addresses, which browsers take for two origins."""

    origin: str
    other_origin: str


class Handler(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}  # whatever the machine says

    def do_GET(self) -> None:
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(EMPTY_PAGE)
        return None

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve_pages(folder: Path) -> Iterator[Pages]:
    """Serve the folder, with an empty page at /."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    port = server.server_address[1]
    try:
        yield Pages(f"http://localhost:{port}", f"http://127.0.0.1:{port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
