"""schemathesis over every operation of the description, against gunicorn over a real broker; a thread plays the worker.

No 5xx but those that are promised, no status, media type or field that the description does not have. FUZZ_CASES says
how many cases at least, over all operations: `make fuzz` makes more.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from api.openapi import WORDS
from shared.connection import connect
from shared.job import Job
from shared.presence import Roster
from shared.settings import ROOT, Settings
from stack.broker import EmbeddedBroker
from stack.ports import free_port
from stack.processes import Program
from stack.services import what_is_missing
from tests.api.conftest import TINY
from tests.api.dialects.conftest import ALIASES, Player
from tests.sounds import file_of, tone

LONG = "FUZZ_CASES" in os.environ  # by chance, and not the same cases at each run
CASES = int(os.environ.get("FUZZ_CASES", "300"))
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
FORM = "multipart/form-data"
DURATION_S = 0.5
MELODY = file_of(tone(440, 1.0), 32_000)
ANSWER_TIMEOUT_S = 30.0


class QuickPlayer(Player):
    """Half a second, whatever was asked for."""

    def _play(self, job: Job) -> None:
        super()._play(replace(job, request=job.request.model_copy(update={"duration_s": DURATION_S})))


@dataclass
class Live:
    """The served API, and what is known to be there: a drawn path rarely leads anywhere."""

    url: str
    schema: Any
    session: requests.Session
    statuses: Counter[int] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    batch_id: str = ""
    file: str = ""

    def make_tasks(self) -> None:
        bodies = [{"prompt": "a", "output_format": name} for name in ("wav", "mp3", "ogg", "flac")]
        bodies += [{"prompt": "please fail"}, {"prompt": "b", "webhook_url": "https://example.com/hook"}]
        made = [self.session.post(f"{self.url}/tasks", json=body).json() for body in bodies]
        self.ids = [answer["task_id"] for answer in made]
        self.ids.append(self.session.post(f"{self.url}/v2/tiny/runsync", json={"input": {"prompt": "c"}}).json()["id"])
        made_file = self.session.post(f"{self.url}/generate/", json={"text": "d", "duration": 1}).json()["file_url"]
        self.file = made_file.rpartition("/")[2]
        batch = {"requests": [{"prompt": "e"}, {"prompt": "please fail"}]}
        self.batch_id = self.session.post(f"{self.url}/tasks/batch", json=batch).json()["batch_id"]

    def aim(self, case: Any, at: int) -> None:
        """Replace drawn names by some that exist."""
        known = {"endpoint": "tiny", "task_id": self.ids[at % len(self.ids)], "path": "index.html"}
        known["batch_id"] = self.batch_id
        known["name"] = f"{known['task_id']}.wav" if "audio" in case.path else self.file
        case.path_parameters = {name: known[name] for name in case.path_parameters}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("fuzz")
    url = f"http://127.0.0.1:{(port := free_port())}"
    with EmbeddedBroker(folder / "broker") as broker:
        served = Settings(  # type: ignore[call-arg]
            _env_file=None, redis_url=broker.url, local_storage_path=folder / "audio", max_queue_length=100_000
        )
        Roster(connect(served), served.model_copy(update={"presence_ttl_s": 3600.0})).announce(TINY)
        player, program = QuickPlayer(served), serve(served, port, folder)
        player.start()
        try:
            while what_is_missing(f"{url}/health/live"):
                assert program.is_running(), program.log_path.read_text()
                time.sleep(0.1)
            with requests.Session() as session:
                yield Live(url, schemathesis.openapi.from_url(f"{url}/openapi.json"), session)
        finally:
            program.stop()
            player.stop()


def serve(served: Settings, port: int, folder: Any) -> Program:
    environment = {
        "REDIS_URL": served.redis_url,
        "REDIS_TIMEOUT_S": "10",  # the machine may have other work
        "LOCAL_STORAGE_PATH": str(served.local_storage_path),
        "MAX_QUEUE_LENGTH": str(served.max_queue_length),
        "MODEL_ALIASES": ",".join(f"{name}={model}" for name, model in ALIASES.items()),
        "GUNICORN_TIMEOUT": str(round(ANSWER_TIMEOUT_S)),
        "WEB_CONCURRENCY": "1",
        "PYTHONPATH": str(ROOT),
    }
    config = str(ROOT / "stack" / "gunicorn.conf.py")
    command = [sys.executable, "-m", "gunicorn", "api.wsgi:app", "--config", config, "--bind", f"127.0.0.1:{port}"]
    program = Program("api", command, log_path=folder / "api.log", env=os.environ | environment, cwd=folder)
    program.start()
    return program


def refuse_unpromised_errors(case: Any, response: Any) -> None:
    """503 is a known model that no worker serves."""
    if response.status_code >= 500:
        told = f"{case.method} {case.formatted_path}: {response.status_code} {response.text[:500]}"
        assert response.status_code in WORDS, told
        assert "no worker serves" in response.text, told


def strategy_of(operation: Any) -> st.SearchStrategy[Any]:
    """Cases that fit the description, and as many that do not where that is possible."""
    wanted = [operation.as_strategy(generation_mode=GenerationMode.POSITIVE)]
    if operation.body or operation.query or operation.headers:
        wanted.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    return drawn(st.one_of(wanted))


@st.composite
def drawn(draw: st.DrawFn, strategy: st.SearchStrategy[Any]) -> Any:
    """What the strategy draws. schemathesis 4.32.5 now and then trips over a file that it has made itself."""
    try:
        return draw(strategy)
    except Exception as error:
        if "Unsupported type: 'Binary'" not in str(error):
            raise
        reject()


def fuzz(live: Live, operation: Any, most: int) -> None:
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=not LONG,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy_of(operation), at=st.one_of(st.none(), st.integers(0, 100)))
    def hold(case: Any, at: int | None) -> None:
        if at is not None and case.path_parameters:
            live.aim(case, at)
        if at is not None and case.media_type == FORM and isinstance(case.body, dict) and "melody" in case.body:
            case.body["melody"] = MELODY
        response = case.call(session=live.session, timeout=ANSWER_TIMEOUT_S)
        live.statuses[response.status_code] += 1
        refuse_unpromised_errors(case, response)
        case.validate_response(response, checks=CHECKS)

    hold()


def test_whatever_is_sent_the_answer_is_one_that_is_described(live: Live) -> None:
    operations = [result.ok() for result in live.schema.get_all_operations()]
    # what takes a body has the most to get wrong
    weights = {operation.label: 4 if operation.body else 1 for operation in operations}
    a_weight = -(-CASES // sum(weights.values()))
    faults = []
    for operation in operations:
        if operation.path_parameters:
            live.make_tasks()
        try:
            fuzz(live, operation, a_weight * weights[operation.label])
        except (Exception, BaseExceptionGroup) as error:  # all operations are tried before any is blamed
            faults.append(f"{operation.label}: {error}\n{''.join(getattr(error, '__notes__', []))}")
    print(f"{sum(live.statuses.values())} cases: {dict(sorted(live.statuses.items()))}")
    assert not faults, "\n\n".join(faults)
    assert sum(live.statuses.values()) >= CASES
    assert live.statuses[200] > 0
    assert live.statuses[202] > 0
