from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
import redis
from celery.contrib.testing.worker import start_worker
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads, prepare_accept_content

from shared.jobs.store import JobStore
from shared.jobs.tickets import TICKET_TASK, TICKET_VERSION, Tickets, make_celery
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.submitting import submit_job


@pytest.fixture
def tickets(settings: Settings) -> Tickets:
    return Tickets(make_celery(settings), settings)


def test_a_ticket_names_the_model_and_its_version_and_nothing_else(client: redis.Redis, tickets: Tickets) -> None:
    tickets.send("tiny")
    message = json.loads(client.lindex("ostinato.tiny", 0))
    assert message["headers"]["task"] == TICKET_TASK
    assert message["content-type"] == "application/json"
    assert "{'version': 1, 'model': 'tiny'}" in message["headers"]["kwargsrepr"]


def test_a_written_ticket_is_like_one_that_celery_sends_and_has_ids_of_its_own(
    client: redis.Redis, settings: Settings, tickets: Tickets
) -> None:
    kwargs = {"version": TICKET_VERSION, "model": "tiny"}
    make_celery(settings).send_task(TICKET_TASK, kwargs=kwargs, queue="ostinato.tiny")
    sent = json.loads(client.lindex("ostinato.tiny", 0))
    first, second = (json.loads(tickets.write("tiny").envelope) for _ in range(2))
    assert first["properties"]["delivery_tag"] != second["properties"]["delivery_tag"]
    for message in (sent, first):
        message["properties"].pop("delivery_tag")
        message["properties"].pop("reply_to")
        assert (
            message["headers"].pop("root_id")
            == message["headers"].pop("id")
            == message["properties"].pop("correlation_id")
        )
    assert first == sent


def test_a_real_celery_worker_draws_tickets_that_a_submission_pushed(
    store: JobStore, tickets: Tickets, settings: Settings, request_for: Callable[..., MusicRequest]
) -> None:
    app, drawn, all_drawn = make_celery(settings), [], threading.Event()

    @app.task(name=TICKET_TASK, shared=False)
    def draw(version: int, model: str) -> None:
        drawn.append(store.claim(model, "w1"))
        if len(drawn) == 3:
            all_drawn.set()

    jobs = [
        submit_job(store, request_for(), "tiny", account="local", source="tasks", ticket=tickets.write("tiny"))
        for _ in range(3)
    ]
    with start_worker(app, pool="solo", queues=["ostinato.tiny"], perform_ping_check=False, shutdown_timeout=30):
        assert all_drawn.wait(10)
    assert [job and job.id for job in drawn] == [job.id for job in jobs]


def test_topping_up_sends_only_what_is_missing(client: redis.Redis, tickets: Tickets) -> None:
    tickets.send("tiny", 2)
    assert tickets.top_up({"tiny": 5, "small": 0}) == 3
    assert client.llen("ostinato.tiny") == 5
    assert tickets.top_up({"tiny": 3}) == 0


def test_sending_to_a_broker_that_is_away_raises_nothing(make_settings: Callable[..., Settings]) -> None:
    away = make_settings(redis_url="redis://127.0.0.1:1/0")
    Tickets(make_celery(away), away).send("tiny")


def test_a_message_that_could_run_code_is_not_read(settings: Settings) -> None:
    accepted = prepare_accept_content(make_celery(settings).conf.accept_content)
    kind, encoding, body = dumps({"model": "tiny"}, serializer="pickle")
    with pytest.raises(ContentDisallowed):
        loads(body, kind, encoding, accept=accepted)
    kind, encoding, body = dumps({"model": "tiny"}, serializer="json")
    assert loads(body, kind, encoding, accept=accepted) == {"model": "tiny"}
