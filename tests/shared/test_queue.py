from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import redis

from shared.queue import TICKET_TASK, Tickets, make_celery
from shared.settings import Settings


@pytest.fixture
def tickets(settings: Settings) -> Tickets:
    return Tickets(make_celery(settings), settings)


def test_a_ticket_names_the_model_and_its_version_and_nothing_else(client: redis.Redis, tickets: Tickets) -> None:
    tickets.send("tiny")
    message = json.loads(client.lindex("ostinato.tiny", 0))
    assert message["headers"]["task"] == TICKET_TASK
    assert message["content-type"] == "application/json"
    assert "{'version': 1, 'model': 'tiny'}" in message["headers"]["kwargsrepr"]


def test_topping_up_sends_only_what_is_missing(client: redis.Redis, tickets: Tickets) -> None:
    tickets.send("tiny", 2)
    assert tickets.top_up({"tiny": 5, "small": 0}) == 3
    assert client.llen("ostinato.tiny") == 5
    assert tickets.top_up({"tiny": 3}) == 0


def test_sending_to_a_broker_that_is_away_raises_nothing(make_settings: Callable[..., Settings]) -> None:
    away = make_settings(redis_url="redis://127.0.0.1:1/0")
    Tickets(make_celery(away), away).send("tiny")
