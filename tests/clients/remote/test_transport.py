"""Break the network between client and live API: what is sent again and as what, and what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from music_gen import APIClient, errors
from music_gen.remote.outcomes import error_of

from api.auth.keys import Allowance
from stack.ports import free_port
from tests.clients.conftest import Live
from tests.clients.proxy import Fault, Proxy, proxy_before

pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture
def client(live: Live) -> Iterator[APIClient]:
    with APIClient(live.key, live.url) as client:
        yield client


@pytest.fixture
def proxy(live: Live) -> Iterator[Proxy]:
    with proxy_before(live.url) as proxy:
        yield proxy


def test_all_bad_fields_are_named_at_once_and_are_not_tried_again(live: Live, proxy: Proxy) -> None:
    with APIClient(live.key, proxy.url) as client, pytest.raises(errors.InvalidRequest) as caught:
        client.generate("", -1, temperature=9)
    assert set(caught.value.fields) == {"prompt", "duration", "temperature"}
    assert (caught.value.status, len(proxy.seen)) == (400, 1)


@pytest.mark.parametrize(
    "told",
    [
        {"error": {"code": "NOT_FOUND", "message": "no task 'x'", "details": {"a": 1}}, "status": "failed"},
        {"error": "no task 'x'", "error_code": "NOT_FOUND", "error_details": {"a": 1}, "status": "failed"},
    ],
    ids=["an object", "the fields of a failed task"],
)
def test_an_error_is_read_in_the_form_of_older_servers_and_of_newer_ones(told: dict[str, object]) -> None:
    error = error_of(httpx.Response(404, json=told, request=httpx.Request("GET", "http://127.0.0.1/tasks/x")))
    assert isinstance(error, errors.NotFound)
    assert (error.message, error.code, error.details) == ("no task 'x'", "NOT_FOUND", {"a": 1})


def test_a_stream_cut_in_the_middle_of_an_event_goes_on_without_loss_or_repetition(live: Live, proxy: Proxy) -> None:
    with APIClient(live.key, proxy.url) as client:
        task = client.wait(client.submit("calm piano", 1))
        proxy.faults.append(Fault(cut_after=2))
        heard = [event for event in client.events(task) if event.id]
    streams = [headers for _, path, headers in proxy.seen if path.endswith("/events")]
    assert len(streams) == 2
    assert "last-event-id" in streams[1]
    assert [event.name for event in heard] == ["queued", "started", "progress", "progress", "completed"]
    assert len({event.id for event in heard}) == 5


def test_whoever_has_heard_the_end_hears_nothing_more(client: APIClient) -> None:
    task = client.wait(client.submit("calm piano", 1))
    last = list(client.events(task))[-1]
    assert list(client.events(task, after=last.id)) == []


def test_a_submission_whose_answer_was_lost_is_sent_again_and_is_one_task(live: Live, proxy: Proxy) -> None:
    key, _ = live.keys.create("losing", Allowance())
    proxy.faults += [Fault(lose=True), Fault(status=503, headers=(("Retry-After", "0"),))]
    with APIClient(key, proxy.url) as client:
        task = client.submit("calm piano")
        assert [each.id for each in client.recent()] == [task.id]
    sent = {headers["idempotency-key"] for method, _, headers in proxy.seen if method == "POST"}
    assert (len(sent), len(proxy.seen)) == (1, 4)


def test_what_is_purged_and_not_heard_of_is_purged(live: Live, proxy: Proxy) -> None:
    with APIClient(live.key, proxy.url) as client:
        task = client.submit("calm piano")
        proxy.faults.append(Fault(lose=True))
        client.purge(task)
        with pytest.raises(errors.NotFound):
            client.purge(task)


def test_a_key_of_ones_own_is_the_same_task_until_it_is_used_for_another(client: APIClient) -> None:
    first = client.submit("a", idempotency_key="order-17")
    assert client.submit("a", idempotency_key="order-17").id == first.id
    with pytest.raises(errors.IdempotencyConflict):
        client.submit("b", idempotency_key="order-17")


def test_a_limit_is_an_error_that_says_for_how_long(live: Live) -> None:
    key, _ = live.keys.create("little", Allowance(rpm=1))
    with APIClient(key, live.url, retry_for_s=1) as client:
        client.submit("a")
        with pytest.raises(errors.RateLimited) as caught:
            client.submit("b")
        assert 1 < caught.value.retry_after_s <= 60
        assert client.usage()


def test_the_key_stays_here_when_the_audio_lies_elsewhere_and_damaged_audio_is_refused(
    live: Live, proxy: Proxy
) -> None:
    with APIClient(live.key, proxy.url) as client, proxy_before(live.url) as store:
        task = client.wait(client.submit("calm piano", 1))
        proxy.faults.append(Fault(status=302, headers=(("Location", f"{store.url}/bucket/clip.wav"),)))
        store.faults.append(Fault(status=200, body=b"not the clip"))
        with pytest.raises(errors.ConnectionFailed, match="damaged"):
            client.download(task)
    assert [path for _, path, _ in store.seen] == ["/bucket/clip.wav"]
    assert live.key not in str(store.seen)
    assert live.key in str(proxy.seen)


def test_a_server_that_is_not_there_and_one_that_is_another_are_told_apart(live: Live, proxy: Proxy) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with APIClient(base_url=nowhere, retry_for_s=0.2) as client, pytest.raises(errors.ConnectionFailed, match=nowhere):
        client.submit("x")
    proxy.faults += [Fault(status=200, body=b"<html>"), Fault(status=404, body=b"<html>"), Fault(status=200, body=b"<")]
    with APIClient(live.key, proxy.url) as client:
        for ask in (client.health, client.models, lambda: list(client.events("x"))):
            with pytest.raises(errors.UnexpectedAnswer, match="base_url"):
                ask()
        assert "tiny" in {model["name"] for model in client.models()}
