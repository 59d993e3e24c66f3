"""schemathesis over every operation of the description, against gunicorn over a real broker; a thread plays the worker.

First while no key exists, then with a key; from then on each call is made as an intruder first. No 5xx but those that
are promised, no status, media type or field that the description does not have, and without a right key nothing but a
401. FUZZ_CASES says how many cases at least, over all operations: `make fuzz` makes more.
"""

from __future__ import annotations

import os
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

from api.auth.keys import NO_LIMITS, Keys
from api.openapi.builder import WORDS
from shared.broker.connection import connect
from shared.jobs.job import LOCAL, Job
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from stack.broker import EmbeddedBroker
from tests.api.conftest import TINY
from tests.api.dialects.conftest import ALIASES, Player
from tests.api.hostile_strategies import Body, hostile
from tests.api.served import serve
from tests.audio_fixtures import file_of, tone

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fuzz")]  # one server for both

LONG = "FUZZ_CASES" in os.environ  # by chance, and not the same cases at each run
CASES = int(os.environ.get("FUZZ_CASES", "300"))
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
FORM = "multipart/form-data"
REFUSAL_BYTES = 64 * 1024
DURATION_S = 0.5
MELODY = file_of(tone(440, 1.0), 32_000)
ANSWER_TIMEOUT_S = 30.0
CREDENTIALS = ("x-api-key", "authorization")
WRONG_KEY = "ost_0123456789ab_wrong"


class QuickPlayer(Player):
    """Half a second, whatever was asked for."""

    def _play(self, job: Job) -> None:
        super()._play(replace(job, request=job.request.model_copy(update={"duration_s": DURATION_S})))


@dataclass
class Live:
    """The served API, and what is known to be there: a drawn path rarely leads anywhere."""

    url: str
    keys: Keys
    session: requests.Session
    key: str = ""  # none exists
    statuses: Counter[int] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    batch_id: str = ""
    file: str = ""

    def lock(self) -> None:
        """From now on there is a key, for what was made before too."""
        self.key, _ = self.keys.create("fuzz", NO_LIMITS, LOCAL)
        give_up_at = time.monotonic() + ANSWER_TIMEOUT_S
        while self.session.get(f"{self.url}/tasks").status_code != 401:
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        self.statuses = Counter()

    def make_tasks(self) -> None:
        bodies = [{"prompt": "a", "output_format": name} for name in ("wav", "mp3", "ogg", "flac")]
        bodies += [{"prompt": "please fail"}, {"prompt": "b", "webhook_url": "https://example.com/hook"}]
        self.ids = [self._post("/tasks", body)["task_id"] for body in bodies]
        self.ids.append(self._post("/v2/tiny/runsync", {"input": {"prompt": "c"}})["id"])
        made_file: str = self._post("/generate/", {"text": "d", "duration": 1})["file_url"]
        self.file = made_file.partition("?")[0].rpartition("/")[2]
        batch = {"requests": [{"prompt": "e"}, {"prompt": "please fail"}]}
        self.batch_id = self._post("/tasks/batch", batch)["batch_id"]

    def aim(self, case: Any, at: int) -> None:
        """Replace drawn names by some that exist, as far as there are such."""
        known = {"endpoint": "tiny", "task_id": self.ids[at % len(self.ids)], "path": "index.html"}
        known["batch_id"] = self.batch_id
        known["name"] = f"{known['task_id']}.wav" if "audio" in case.path else self.file
        case.path_parameters = {name: known.get(name, drawn) for name, drawn in case.path_parameters.items()}

    def admissions(self) -> list[dict[str, str]]:
        """Headers with which a call is let in."""
        return [{"X-API-Key": self.key}, {"Authorization": f"Bearer {self.key}"}] if self.key else [{}]

    def intrusions(self) -> list[dict[str, str]]:
        """Headers with which it is not."""
        wrong = {"Authorization": f"Bearer {WRONG_KEY}"}
        return [{}, {"X-API-Key": WRONG_KEY}, wrong, {"X-API-Key": self.key} | wrong] if self.key else []

    def call(self, case: Any, headers: dict[str, str]) -> int:
        """The status of an answer that is as it is described."""
        response = case.call(session=self.session, headers=headers, timeout=ANSWER_TIMEOUT_S)
        self.statuses[response.status_code] += 1
        refuse_unpromised_errors(case, response)
        case.validate_response(response, checks=CHECKS)
        return int(response.status_code)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.session.post(self.url + path, json=body, headers=self.admissions()[0])
        assert answer.ok, answer.text
        return dict(answer.json())


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("fuzz")
    environment = {
        "REDIS_TIMEOUT_S": "10",  # the machine may have other work
        "MAX_QUEUE_LENGTH": "100000",
        "MODEL_ALIASES": ",".join(f"{name}={model}" for name, model in ALIASES.items()),
        "MAX_WAIT_S": "0",  # a poll with `wait` would be held
        "GUNICORN_TIMEOUT": str(round(ANSWER_TIMEOUT_S)),
    }
    with EmbeddedBroker(folder / "broker") as broker:
        served = Settings(
            _env_file=None, redis_url=broker.url, local_storage_path=folder / "audio", presence_ttl_s=3600.0
        )
        WorkerRegistry(connect(served), served).announce(TINY)
        player = QuickPlayer(served)
        player.start()
        try:
            with serve(folder, served, **environment) as api, requests.Session() as session:
                yield Live(api.url, Keys(connect(served)), session)
        finally:
            player.stop()


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


def fuzz(live: Live, operation: Any, cases: st.SearchStrategy[Any], most: int) -> None:
    needs_key = operation.definition.raw.get("security") != []

    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=not LONG,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, at=st.one_of(st.none(), st.integers(0, 100)), data=st.data())
    def hold(case: Any, at: int | None, data: st.DataObject) -> None:
        if at is not None and case.path_parameters:
            live.aim(case, at)
        if at is not None and case.media_type == FORM and isinstance(case.body, dict) and "melody" in case.body:
            case.body["melody"] = MELODY
        if live.key:
            for name in [name for name in case.headers or {} if name.lower() in CREDENTIALS]:
                del case.headers[name]
            intrusion = data.draw(st.sampled_from(live.intrusions()))
            assert (live.call(case, intrusion) == 401) == needs_key, f"with {intrusion or 'no key'}"
        assert live.call(case, data.draw(st.sampled_from(live.admissions()))) != 401

    hold()


def ends_tasks(operation: Any) -> bool:
    return operation.method.upper() == "DELETE" or "cancel" in operation.path


def fuzz_all(live: Live, operations: dict[Any, st.SearchStrategy[Any]]) -> list[str]:
    """What is wrong; all operations are tried before any is blamed."""
    # what takes a body has the most to get wrong
    weights = {operation.label: 3 if operation.body else 1 for operation in operations}
    a_weight = -(-CASES // (2 * sum(weights.values())))
    faults = []
    live.make_tasks()
    for operation, cases in operations.items():
        if ends_tasks(operation):
            live.make_tasks()
        try:
            fuzz(live, operation, cases, a_weight * weights[operation.label])
        except (Exception, BaseExceptionGroup) as error:
            how = "with a key" if live.key else "without keys"
            faults.append(f"{operation.label}, {how}: {error}\n{''.join(getattr(error, '__notes__', []))}")
    print(f"{sum(live.statuses.values())} calls: {dict(sorted(live.statuses.items()))}")
    return faults


def test_whatever_is_sent_the_answer_is_one_that_is_described(live: Live) -> None:
    schema = schemathesis.openapi.from_url(f"{live.url}/openapi.json")
    found = [result.ok() for result in schema.get_all_operations()]
    found.sort(key=lambda operation: (ends_tasks(operation), not operation.path_parameters))
    operations = {operation: strategy_of(operation) for operation in found}
    faults = fuzz_all(live, operations)
    unlocked = live.statuses
    live.lock()
    faults += fuzz_all(live, operations)
    assert not faults, "\n\n".join(faults)
    assert sum((unlocked + live.statuses).values()) >= CASES
    for statuses in (unlocked, live.statuses):
        assert statuses[200] > 0
        assert statuses[202] > 0
    assert unlocked[401] == 0
    assert live.statuses[401] > CASES // 4


def test_bodies_that_fit_no_description_get_small_answers_that_do(live: Live) -> None:
    schema = schemathesis.openapi.from_url(f"{live.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    operations = [operation for operation in operations if operation.body]
    faults = []
    for operation in operations:
        path = operation.path.replace("{endpoint}", "tiny")
        try:
            fuzz_bodies(live, operation, path, -(-CASES // len(operations)))
        except (Exception, BaseExceptionGroup) as error:
            faults.append(f"{operation.label}: {error}")
    assert not faults, "\n\n".join(faults)


def fuzz_bodies(live: Live, operation: Any, path: str, most: int) -> None:
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    @given(body=hostile(), admission=st.sampled_from(live.admissions()))
    def hold(body: Body, admission: dict[str, str]) -> None:
        data, content_type = body
        headers = {"Content-Type": content_type} | admission
        answer = live.session.request(operation.method, live.url + path, data=data, headers=headers, timeout=60)
        told = f"{content_type} {data[:200]!r}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500 or "no worker serves" in answer.text, told
        assert str(answer.status_code) in operation.definition.raw["responses"], told
        assert answer.ok or len(answer.content) <= REFUSAL_BYTES, told
        operation.validate_response(answer)

    hold()
