"""Give the services' tests the store that their settings name, and tasks to go on from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import Storage, open_storage
from tests.audio_fixtures import file_of, tone
from tests.shared.steps import claim

Finish = Callable[[Job, bytes], Job]


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return open_storage(settings)


@pytest.fixture
def earlier(api: FlaskClient, store: JobStore, finish: Finish) -> Callable[..., str]:
    """Give the id of a completed task of two seconds."""

    def make(**fields: Any) -> str:
        api.post("/tasks", json={"prompt": "slow harp", "duration": 2} | fields)
        job = claim(store)
        return finish(job, file_of(tone(440, 2.0), 32_000)).id

    return make
