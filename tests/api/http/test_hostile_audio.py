"""The API under gunicorn, with hostile recordings in JSON at once: each is refused in few words and costs no memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
import requests

from shared.broker.connection import connect
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.hostile import JSON
from tests.api.http.test_hostile_served import GROWTH_BYTES, TIMEOUT_S, post
from tests.api.served import Served, serve
from tests.audio_fixtures import data_uri, file_of, tone

pytestmark = pytest.mark.slow

REFUSAL_BYTES = 64 * 1024
MOST_MB = 8
LARGE = data_uri(b"no sound" * (MOST_MB * 2**17))  # of what is no recording


@pytest.fixture
def served(client: redis.Redis, settings: Settings, tmp_path: Path) -> Iterator[Served]:
    lasting = settings.model_copy(update={"presence_ttl_s": 3600.0})  # the machine may have other work
    WorkerRegistry(connect(settings), lasting).announce(TINY)
    with serve(
        tmp_path,
        settings,
        DEFAULT_MODEL="tiny",
        REDIS_TIMEOUT_S="20",
        MODEL_ALIASES="medium=tiny",
        MAX_BODY_MB=str(MOST_MB),
    ) as api:
        yield api


def a_task(uri: str) -> bytes:
    return json.dumps({"prompt": "x", "melody": uri}).encode()


def hostile_audio() -> list[tuple[str, bytes, str, int]]:
    """(path, body, its type, the status of its refusal)."""
    small = data_uri(b"RIFF no sound")
    thousands = json.dumps({"requests": [{"prompt": "x", "melody": small, "continue_audio": small}] * 5000})
    repeated = '{"prompt": "x"' + f', "melody": "{small}"' * 5000 + "}"
    wrapped = "\\n".join(LARGE[at : at + 76] for at in range(0, 9 * 2**20, 76))
    return [
        ("/tasks", a_task(LARGE[:-3]), JSON, 400),
        ("/tasks", a_task(LARGE.replace("audio/wav", "text/html")), JSON, 400),
        ("/tasks", f'{{"prompt": "x", "melody": "{wrapped}"}}'.encode(), JSON, 400),
        ("/tasks", f'{{"prompt": "x", "melody": "{LARGE[:90]}\\u0{"z" * 2**22}'.encode(), JSON, 400),
        ("/tasks", a_task(data_uri(b"x" * 2 * MOST_MB * 2**20)), JSON, 413),
        ("/tasks", a_task("data:audio/wav;base64,"), JSON, 400),
        ("/tasks", repeated.encode(), JSON, 400),
        ("/tasks/batch", thousands.encode(), JSON, 400),
        ("/tasks/batch", json.dumps({"requests": [json.loads(a_task(LARGE))] * 2}).encode(), JSON, 413),
        ("/tasks/multi-instrument", json.dumps({"instruments": {"a": json.loads(a_task(LARGE))}}).encode(), JSON, 400),
        ("/generate-with-melody", a_task(LARGE), JSON, 400),
        ("/v2/tiny/run", json.dumps({"input": json.loads(a_task(LARGE))}).encode(), JSON, 200),
    ]


def test_hostile_recordings_at_once_leave_other_callers_served_and_the_memory_small(served: Served) -> None:
    """Half of them name their length, and half come in chunks. Their text alone is more than the memory may grow."""
    bodies, stop, others = hostile_audio(), threading.Event(), list[int]()

    def ask_on() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                others.append(session.get(f"{served.url}/health/live", timeout=TIMEOUT_S).status_code)

    warm = a_task(data_uri(file_of(tone(330, 1.0), 32_000)))
    assert post(served.url, ("/tasks", warm, JSON, 202), chunked=False)[0] == 202
    assert sum(len(data) for _, data, *_ in bodies) > 1.5 * GROWTH_BYTES
    before = served.most_held()
    asking = threading.Thread(target=ask_on)
    asking.start()
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda n: post(served.url, bodies[n], chunked=n % 2 == 0), range(len(bodies))))
    stop.set()
    asking.join()
    assert [status for status, _ in answers] == [status for *_, status in bodies]
    assert max(length for _, length in answers) <= REFUSAL_BYTES
    assert set(others) == {200}
    assert len(others) > 10, "they had their turns meanwhile"
    assert served.most_held() - before <= GROWTH_BYTES
    assert "Traceback" not in served.program.log_path.read_text(errors="replace")
