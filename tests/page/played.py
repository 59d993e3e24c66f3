"""Serve the API with keys, a worker being played by the test: each state of the page can be made on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import redis

from api.auth.keys import Allowance, Keys
from shared.broker.connection import connect
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import open_storage
from shared.workers.registry import WorkerRegistry
from stack.broker import EmbeddedBroker
from tests.api.conftest import TINY
from tests.api.served import Served, serve
from tests.clients.js.musician import Musician

LINE = 8  # jobs that may wait: takes of one request, or a piece for several instruments
WORKER = replace(TINY, max_duration_s=240.0)


@dataclass(frozen=True)
class Played:
    """Hold the served API, its broker, and the played worker."""

    api: Served
    settings: Settings
    broker: EmbeddedBroker
    client: redis.Redis
    store: JobStore
    keys: Keys
    musician: Musician

    @property
    def url(self) -> str:
        return self.api.url

    def key(self, **limits: int | None) -> str:
        """Make a key of an account of its own."""
        return self.keys.create("somebody", Allowance(**limits))[0]

    def submit(self, key: str, *prompts: str) -> None:
        """Submit what lasts a second, as another program with that key would."""
        for prompt in prompts:
            httpx.post(
                f"{self.url}/tasks", json={"prompt": prompt, "duration": 1}, headers={"X-API-Key": key}
            ).raise_for_status()

    def remove_file(self, task_id: str) -> None:
        """Remove a task's audio, as the cleaner does when its lifetime is over."""
        result = self.store.reader.get(task_id).result
        assert result is not None
        open_storage(self.settings).delete(result.key)


@contextmanager
def serve_played(folder: Path, **store: str) -> Iterator[Played]:
    """Serve it until the end; it always has a key.

    `store`: settings of another store than the local folder.
    """
    with EmbeddedBroker(folder / "broker") as broker:
        settings = Settings(
            _env_file=None,
            redis_url=broker.url,
            local_storage_path=folder / "audio",
            default_model="tiny",
            presence_ttl_s=3600.0,
            **store,
        )
        client = connect(settings)
        WorkerRegistry(client, settings).announce(WORKER)
        keys = Keys(client)
        keys.create("first", Allowance())
        musician = Musician(settings)
        musician.start()
        environment = {"DEFAULT_MODEL": "tiny", "MAX_QUEUE_LENGTH": str(LINE), "PRESENCE_TTL_S": "3600"}
        environment |= {name.upper(): value for name, value in store.items()}
        try:
            with serve(folder, settings, **environment) as api:
                yield Played(api, settings, broker, client, JobStore(client, settings), keys, musician)
        finally:
            musician.stop()
            client.close()
