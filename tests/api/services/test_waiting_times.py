"""Positions and waiting times under load: simulated workers at a known pace, read over HTTP."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import redis
from flask.testing import FlaskClient

from shared.broker.connection import connect
from shared.jobs.job import Fingerprint, Job, Result, Stage
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY

SLOTS = 3
AUDIO_S_PER_S = 40.0
RESULT = Result("results/a.wav", "audio/wav", 1, "0" * 64, 8.0, 32000, 1, 1.0, Fingerprint("d", "e", "fp32", "cpu"))


class Played:
    """Workers that take as long as a piece's length says; what they began and ended, and when."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._claiming = threading.Lock()
        self.begun: list[str] = []
        self.ended: dict[str, float] = {}

    def run(self) -> None:
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(SLOTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _claim(self, store: JobStore) -> Job | None:
        with self._claiming:  # so that they are noted in the order of their claims
            job = store.claim("tiny", TINY.worker)
            if job is not None:
                self.begun.append(job.id)
            return job

    def _work(self) -> None:
        store = JobStore(connect(self._settings), self._settings)
        while job := self._claim(store):
            for step in (1, 2, 3, 4):
                time.sleep(job.request.duration_s / AUDIO_S_PER_S / 4)
                store.renew(job, Stage.RUNNING, step, 4)
            store.complete(job, RESULT)
            self.ended[job.id] = time.time()


def test_positions_are_exact_and_the_end_is_foretold_within_a_third(
    open_api: Callable[[Settings], FlaskClient], client: redis.Redis, settings: Settings
) -> None:
    api = open_api(settings)
    WorkerRegistry(client, settings).announce(replace(TINY, slots=SLOTS))
    draw = random.Random(3)
    for _ in range(60):
        fields = {"prompt": "calm piano", "duration": draw.choice([4, 8, 12]), "priority": draw.choice(["high", "low"])}
        assert api.post("/tasks", json=fields).status_code == 202
    played = Played(settings)
    working = threading.Thread(target=played.run, daemon=True)
    working.start()
    while len(played.ended) < 12 and working.is_alive():
        time.sleep(0.02)
    asked_at = time.time()
    seen = {t["task_id"]: t for t in api.get("/tasks?limit=100").get_json()["tasks"] if t["position"] is not None}
    working.join()
    order = sorted(seen, key=lambda task_id: seen[task_id]["position"])
    assert len(order) > 20
    assert [task_id for task_id in played.begun if task_id in seen] == order
    good = [_is_near(seen[task_id]["eta_s"], played.ended[task_id] - asked_at) for task_id in order]
    assert sum(good) >= 0.9 * len(good)


def _is_near(foretold_s: float, took_s: float) -> bool:
    # tenths of a second are what the answer is rounded to, and what a busy test machine adds
    return abs(foretold_s - took_s) <= max(0.3 * took_s, 0.3)
