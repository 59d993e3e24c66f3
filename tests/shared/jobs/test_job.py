from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.jobs.job import Job, Status
from shared.music.request import MusicRequest


@pytest.fixture
def job(request_for: Callable[..., MusicRequest]) -> Job:
    return Job("id", "tiny", request_for(seed=1), created_at=100.0)


def test_progress_and_eta_follow_the_steps(job: Job) -> None:
    running = replace(job, status=Status.RUNNING, step=50, steps=200, started_at=110.0)
    assert running.progress() == 24.8
    assert running.eta_s(now=115.0) == 15.0


def test_no_eta_is_made_up_before_the_first_step(job: Job) -> None:
    assert job.eta_s(now=200.0) is None
    assert replace(job, status=Status.RUNNING, started_at=1.0, steps=9).eta_s(now=2.0) is None


def test_queue_run_and_total_time_add_up(job: Job) -> None:
    ended = replace(job, status=Status.COMPLETED, started_at=103.0, finished_at=110.5)
    assert (ended.queue_time_s(999), ended.run_time_s(999), ended.total_time_s(999)) == (3.0, 7.5, 10.5)
    assert (job.queue_time_s(now=104.0), job.run_time_s(now=104.0)) == (4.0, None)
