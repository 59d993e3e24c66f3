from __future__ import annotations

import time
from collections.abc import Callable

import redis

from shared.jobs.reaper import Reaper
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets, make_celery
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.stack.waiting import wait_for
from tests.submitting import submit_job


def reaper_for(settings: Settings, client: redis.Redis) -> Reaper:
    return Reaper(JobStore(client, settings), Tickets(make_celery(settings), settings), client, settings)


def test_a_lost_ticket_is_replaced(
    settings: Settings, client: redis.Redis, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    submit_job(store, request_for(), "tiny", account="local", source="tasks")
    assert client.llen("ostinato.tiny") == 0
    reaper_for(settings, client).reap_once()
    assert client.llen("ostinato.tiny") == 1


def test_an_expired_lease_comes_back_with_a_ticket(
    make_settings: Callable[..., Settings], client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    settings = make_settings(lease_s=0.02, sweep_every_s=0.05)
    store = JobStore(client, settings)
    job = submit_job(store, request_for(), "tiny", account="local", source="tasks")
    store.claim("tiny", "dead-worker")
    reaper = reaper_for(settings, client)
    reaper.start()
    assert wait_for(lambda: client.llen("ostinato.tiny") == 1)
    reaper.stop()
    assert store.reader.snapshot(job.id).position == 0
    assert client.llen("ostinato.tiny") == 1


def test_of_two_reapers_one_leads_and_the_other_takes_over(
    make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    settings = make_settings(sweep_every_s=20.0)
    first, second = reaper_for(settings, client), reaper_for(settings, client)
    assert first._leadership.leads()
    assert not second._leadership.leads()
    assert first._leadership.leads()
    assert 20_000 < client.pttl("ostinato:sweeper") <= 60_000, "three rounds"
    client.pexpire("ostinato:sweeper", 1)
    time.sleep(0.01)
    assert second._leadership.leads()
