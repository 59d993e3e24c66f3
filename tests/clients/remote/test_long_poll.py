"""Count the requests with which the Python client waits: by long polls, and by polling a server that cannot wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis
from music_gen import APIClient, AsyncAPIClient, Task, errors

from api.app import create_app
from shared.jobs.job import Fingerprint, Job, Result, Stage
from shared.jobs.store import JobStore
from shared.settings import Settings

Finish = Callable[[Job, bytes], Job]


class Server:
    """Serve the API in this process, and note what it is asked."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings)
        self.polls: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET":
            self.polls.append(environ["QUERY_STRING"])
        return self.app(environ, start_response)

    def client(self, **options: Any) -> APIClient:
        return APIClient(base_url="http://127.0.0.1", http=httpx.Client(transport=httpx.WSGITransport(self), **options))


@pytest.fixture
def make_server(make_settings: Callable[..., Settings], client: redis.Redis) -> Callable[..., Server]:
    def make(**changes: Any) -> Server:
        return Server(make_settings(served_models=("tiny",), **changes))

    return make


def finish_later(store: JobStore, finish: Finish, after_s: float) -> threading.Thread:
    def work() -> None:
        time.sleep(after_s)
        job = store.claim("tiny", "w1")
        assert job is not None
        store.renew(job, Stage.RUNNING, 1, 2)
        finish(job, b"audio")

    worker = threading.Thread(target=work)
    worker.start()
    return worker


@pytest.fixture
def finish(store: JobStore, settings: Settings) -> Finish:
    def finish(job: Job, audio: bytes) -> Job:
        result = Result("results/a.wav", "audio/wav", 5, "0" * 64, 2.0, 32000, 1, 0.7, Fingerprint("d", "e", "f", "c"))
        store.complete(job, result)
        return store.reader.get(job.id)

    return finish


def test_a_task_is_waited_for_without_sleeping(
    make_server: Callable[..., Server], store: JobStore, finish: Finish
) -> None:
    server = make_server()
    with server.client() as api:
        task = api.submit("calm piano", 2)
        worker = finish_later(store, finish, 1.0)
        assert api.wait(task).status == "completed"
        worker.join()
    assert server.polls[0] == "wait=25&since=queued"
    assert len(server.polls) <= 3  # it started, perhaps it is seen to run, it ended


def test_whoever_follows_the_progress_is_told_each_second(
    make_server: Callable[..., Server], store: JobStore, finish: Finish
) -> None:
    server, told = make_server(), list[Task]()
    with server.client() as api:
        task = api.submit("calm piano", 2)
        worker = finish_later(store, finish, 1.5)
        api.wait(task, on_progress=told.append)
        worker.join()
    assert (server.polls[0], server.polls[1]) == ("", "wait=1&since=queued")
    assert [each.status for each in (told[0], told[-1])] == ["processing", "completed"]


def test_a_server_that_cannot_wait_is_polled_at_growing_intervals(
    make_server: Callable[..., Server], store: JobStore, finish: Finish
) -> None:
    server = make_server(max_wait_s=0)
    with server.client() as api:
        task = api.submit("calm piano", 2)
        worker = finish_later(store, finish, 1.0)
        assert api.wait(task.id).status == "completed"
        worker.join()
    assert 3 <= len(server.polls) <= 20  # after 0, 0.2, 0.46, 0.8, 1.2 s, as long as it takes


def test_patience_ends_a_held_wait_too(make_server: Callable[..., Server]) -> None:
    server = make_server()
    with server.client() as api:
        task = api.submit("calm piano", 2)
        with pytest.raises(errors.StillRunning):
            api.wait(task, patience_s=1.5)
    assert server.polls[0] == "wait=1&since=queued"


def test_a_client_with_a_short_timeout_of_its_own_waits_all_the_same(
    make_server: Callable[..., Server], store: JobStore, finish: Finish
) -> None:
    seen: list[dict[str, float]] = []

    class Watched(httpx.WSGITransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request.extensions["timeout"])
            return super().handle_request(request)

    server = make_server()
    http = httpx.Client(transport=Watched(server), timeout=httpx.Timeout(5.0, connect=1.0))
    api = APIClient(base_url="http://127.0.0.1", http=http)
    task = api.submit("calm piano", 2)
    worker = finish_later(store, finish, 0.2)
    api.wait(task)
    worker.join()
    assert (seen[0]["read"], seen[1]["read"], seen[1]["connect"]) == (5.0, 30.0, 1.0)


def test_the_awaited_client_waits_in_the_same_way(
    make_server: Callable[..., Server], store: JobStore, finish: Finish
) -> None:
    server = make_server()

    class InThread(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.aread()
            answer = await asyncio.to_thread(httpx.WSGITransport(server).handle_request, request)
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.read())

    async def use() -> Task:
        async with AsyncAPIClient(base_url="http://127.0.0.1", http=httpx.AsyncClient(transport=InThread())) as api:
            task = await api.submit("calm piano", 2)
            worker = finish_later(store, finish, 0.5)
            done = await api.wait(task)
            worker.join()
            return done

    assert asyncio.run(use()).status == "completed"
    assert server.polls[0] == "wait=25&since=queued"
