"""Install the JavaScript package by npm from its tarball, and serve an API with keys over a real broker."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.auth.keys import NO_LIMITS, Keys
from housekeeping.webhooks.signing import make_headers
from shared.broker.connection import connect
from shared.settings import ROOT, Settings
from shared.workers.registry import WorkerRegistry
from stack.broker import EmbeddedBroker
from tests.api.conftest import TINY
from tests.api.served import serve
from tests.audio_fixtures import file_of, tone
from tests.browser.pages import Pages, serve_pages
from tests.clients.js.musician import Musician
from tools.node import NODE, npm

SOURCE = ROOT / "clients" / "js"
SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
NODE_TIMEOUT_S = 240.0  # of all the package's tests, or all examples, on a machine with other work


@dataclass
class Live:
    """Hold the folder where the package is installed, which is served as pages too, and the server's address."""

    folder: Path
    url: str
    pages: Pages
    key: str  # without limits: all these tests together submit more than an account may in a minute
    admin_key: str

    @property
    def package(self) -> Path:
        return self.folder / "node_modules" / "musicgen-api"

    def filled(self, text: str) -> str:
        """Return it with this server's address and a key of it where a document says what to put there."""
        return text.replace("http://localhost:8000", self.url).replace("YOUR_KEY", self.key)

    def node(self, *arguments: str | Path, program: Path = NODE) -> subprocess.CompletedProcess[str]:
        webhook = json.dumps(signed_webhook())  # anew: it is good for minutes only
        return subprocess.run(
            [str(program), *map(str, arguments)],
            cwd=self.folder,
            env=os.environ
            | {"MUSICGEN_URL": self.url, "MUSICGEN_ADMIN_KEY": self.admin_key}
            | {"WEBHOOK": webhook, "WEBHOOK_SECRET": SECRETS[0]},
            capture_output=True,
            text=True,
            timeout=NODE_TIMEOUT_S,
        )


def install(tarball: Path, folder: Path) -> None:
    """Install the package as its users do."""
    (folder / "package.json").write_text("{}")
    npm("install", "--offline", tarball, folder=folder)


def signed_webhook() -> dict[str, object]:
    """Sign a webhook as the housekeeping process does, while one secret replaces the other."""
    body = json.dumps({"type": "task.completed", "timestamp": "2026-11-21T16:00:00.000Z", "data": {"task_id": "a"}})
    headers = make_headers(SECRETS, "msg_a", datetime.now(UTC), body.encode())
    return {"body": body, "headers": headers, "secrets": SECRETS}


@pytest.fixture(scope="session")
def live(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("js")
    install(tarball, folder)
    (folder / "hum.wav").write_bytes(file_of(tone(440, 1.0), 32_000))
    state = tmp_path_factory.mktemp("js-server")
    with EmbeddedBroker(state / "broker") as broker, serve_pages(folder) as pages:
        served = Settings(_env_file=None, redis_url=broker.url, local_storage_path=state / "audio")
        WorkerRegistry(connect(served), served.model_copy(update={"presence_ttl_s": 3600.0})).announce(TINY)
        environment = {
            "REDIS_TIMEOUT_S": "10",  # the machine may have other work
            "DEFAULT_MODEL": "tiny",
            "API_KEYS": "ANOTHER_KEY",
            "CORS_ORIGINS": pages.origin,
        }
        keys = Keys(connect(served))
        player = Musician(served)
        player.start()
        try:
            with serve(state, served, **environment) as api:
                yield Live(folder, api.url, pages, keys.create("tests", NO_LIMITS)[0], keys.create_admin("ops")[0])
        finally:
            player.stop()
