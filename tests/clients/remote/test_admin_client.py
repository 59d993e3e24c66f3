"""Test AdminClient and AsyncAdminClient: what operators ask, with a key and without."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import httpx
import pytest
import redis
from music_gen import AdminClient, AsyncAdminClient, errors

from api.app import create_app
from shared.errors import GenerationFailed
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.clients.conftest import Live


@pytest.fixture
def admin(client: redis.Redis, settings: Settings) -> Iterator[AdminClient]:
    """Ask a server without keys, at whose machine we are."""
    WorkerRegistry(client, settings).announce(TINY)
    with httpx.Client(transport=httpx.WSGITransport(create_app(settings))) as http:
        yield AdminClient(base_url="http://localhost:8000/api/v1", http=http, retry_for_s=0)


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: [*inspect.signature(m).parameters] for name, m in methods if not name.startswith("_")}

    assert surface(AdminClient) == surface(AsyncAdminClient)
    assert len(surface(AdminClient)) > 15


def test_an_operator_drains_a_worker_and_settles_tasks(
    admin: AdminClient, store: JobStore, client: redis.Redis, settings: Settings
) -> None:
    (worker,) = admin.workers()
    admin.drain(worker["worker"])
    assert admin.workers()[0]["drained"]
    admin.undrain(worker["worker"])
    with httpx.Client(transport=httpx.WSGITransport(create_app(settings)), base_url="http://localhost") as http:
        ids = [http.post("/tasks", json={"prompt": prompt}).json()["task_id"] for prompt in ("calm", "dies")]
    assert admin.cancel(ids[0])["status"] == "cancelled"
    while (job := store.claim("tiny", "w1")) is not None:
        client.zadd("ostinato:leases", {job.id: 1})
        store.reap()
    page = admin.tasks(status="failed", q="DIES", limit=1)
    assert [task["task_id"] for task in page["tasks"]] == ids[1:]
    assert admin.story(ids[1])["attempts"][-1]["outcome"] == "failed: WORKER_LOST"
    assert [letter["task"]["task_id"] for letter in admin.dead_letters()] == ids[1:]
    copy = admin.requeue(ids[1])
    assert admin.queue()["models"][0]["waiting"]["normal"] == 1
    assert admin.charts("tiny")[-1]["queue_length"] == admin.charts()[-1]["queue_length"] == 1
    assert admin.story(copy)["task"]["status"] == "queued"
    with pytest.raises(errors.NotFound, match="no dead letter"):
        admin.drop(ids[1])
    actions = [(entry["action"], entry["outcome"]) for entry in admin.audit()["entries"]]
    done = ("requeue", "done"), ("cancel", "done"), ("undrain", "done"), ("drain", "done")
    assert actions == [("drop", "refused"), *done]
    newest = admin.audit(limit=1)
    assert admin.audit(1, newest["next_before"])["entries"][0]["action"] == "requeue"


def test_an_operator_runs_a_failed_task_again_once(admin: AdminClient, store: JobStore, settings: Settings) -> None:
    with httpx.Client(transport=httpx.WSGITransport(create_app(settings)), base_url="http://localhost") as http:
        failed = http.post("/tasks", json={"prompt": "calm"}).json()["task_id"]
    with pytest.raises(errors.Conflict, match="only a task that has failed"):
        admin.retry(failed)
    while (job := store.claim("tiny", "w1")) is not None:
        store.fail(job, GenerationFailed("no music"))
    copy = admin.retry(failed)
    assert admin.story(copy)["task"]["retry_of"] == failed
    assert admin.story(failed)["task"]["retried_as"] == copy
    with pytest.raises(errors.Conflict) as refused:
        admin.retry(failed)
    assert refused.value.details["retried_as"] == copy


def test_an_operator_makes_and_disables_keys(admin: AdminClient) -> None:
    with pytest.raises(errors.MusicGenError, match="admin: true"):
        admin.create_key("studio")
    made = admin.create_key("ops", admin=True)
    with pytest.raises(errors.Unauthorized):
        admin.workers()
    assert made["scope"] == "admin"


def test_with_a_key_of_the_scope_and_with_another(live: Live) -> None:
    key, record = live.keys.create_admin("ops")
    try:
        with AdminClient(key, live.url) as admin:
            made = admin.create_key("studio", "team", rpm=5, monthly_bytes="none")
            assert made["limits"] == {"rpm": 5, "rpd": None, "concurrent": 10, "monthly_bytes": None}
            assert admin.disable_key(made["id"], cancel_jobs=True)["cancelled"] == 0
            assert admin.keys(limit=1)["keys"][0]["disabled"]
        with AdminClient(live.key, live.url) as other, pytest.raises(errors.PermissionDenied) as caught:
            other.workers()
        assert (caught.value.code, "scope admin" in caught.value.message) == ("FORBIDDEN", True)
        assert asyncio.run(awaited(key, live.url)) == ["w1"]
    finally:
        live.keys.disable(record.id)


async def awaited(key: str, url: str) -> list[str]:
    async with AsyncAdminClient(key, url) as admin:
        return [worker["worker"] for worker in await admin.workers()]
