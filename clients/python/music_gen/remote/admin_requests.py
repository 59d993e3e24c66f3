"""Build every call of /admin/api as a value, for the two operators' clients. Opens no connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, cast
from urllib.parse import quote

from music_gen.admin_access_types import AdminKeyPage, AuditPage, CreatedKey, DisabledKey
from music_gen.admin_types import (
    AdminQueue,
    AdminTask,
    AdminTaskPage,
    AdminTaskStory,
    AdminWorker,
    DeadLetter,
    MinutePoint,
)
from music_gen.remote.requests import Call, read_json

ADMIN_HEADER = "X-Ostinato-Admin"
Limit = int | Literal["none"] | None


class TaskFilter(TypedDict, total=False):
    """Say which tasks are wanted: `q` words of title and prompt or how the id begins, `since` UNIX seconds."""

    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    model: str
    account: str
    q: str
    since: int
    limit: int
    before: int


class KeyLimitsAsked(TypedDict, total=False):
    """Give the limits of a new key's account; "none" is no limit, what is left out its account's or the default."""

    rpm: int | Literal["none"]
    rpd: int | Literal["none"]
    concurrent: int | Literal["none"]
    monthly_bytes: int | Literal["none"]


def headers_of(root: str) -> dict[str, str]:
    """Return what a server without keys wants to see of whoever changes something: that no web page asks."""
    scheme, _, rest = root.partition("://")
    return {"Origin": f"{scheme}://{rest.partition('/')[0]}", ADMIN_HEADER: "1"}


def workers() -> Call[list[AdminWorker]]:
    return _call("GET", "/workers", "workers")


def drain(worker: str) -> Call[None]:
    return _silent("POST", f"/workers/{quote(worker, safe='')}/drain")


def undrain(worker: str) -> Call[None]:
    return _silent("POST", f"/workers/{quote(worker, safe='')}/undrain")


def queue() -> Call[AdminQueue]:
    return _call("GET", "/queue")


def charts(model: str | None) -> Call[list[MinutePoint]]:
    return _call("GET", "/charts", "points", query={"model": model} if model else {})


def tasks(wanted: TaskFilter) -> Call[AdminTaskPage]:
    return _call("GET", "/tasks", query=cast("Mapping[str, int | str]", wanted))


def story(task_id: str) -> Call[AdminTaskStory]:
    return _call("GET", f"/tasks/{quote(task_id, safe='')}")


def cancel(task_id: str) -> Call[AdminTask]:
    return _call("DELETE", f"/tasks/{quote(task_id, safe='')}")


def retry(task_id: str) -> Call[str]:
    return _call("POST", f"/tasks/{quote(task_id, safe='')}/retry", "retried_as")


def dead_letters() -> Call[list[DeadLetter]]:
    return _call("GET", "/dead-letters", "dead_letters")


def requeue(task_id: str) -> Call[str]:
    return _call("POST", f"/dead-letters/{quote(task_id, safe='')}/requeue", "requeued_as")


def drop(task_id: str) -> Call[None]:
    return _silent("DELETE", f"/dead-letters/{quote(task_id, safe='')}")


def keys(limit: int, offset: int) -> Call[AdminKeyPage]:
    return _call("GET", "/keys", query={"limit": limit, "offset": offset})


def create_key(name: str, account: str | None, *, admin: bool, limits: KeyLimitsAsked) -> Call[CreatedKey]:
    body = {"name": name, **limits} | ({"account": account} if account else {}) | ({"admin": True} if admin else {})
    return _call("POST", "/keys", json=body)


def disable_key(key_id: str, *, cancel_jobs: bool) -> Call[DisabledKey]:
    return _call("POST", f"/keys/{quote(key_id, safe='')}/disable", query={"cancel_jobs": int(cancel_jobs)})


def audit(limit: int, before: str | None) -> Call[AuditPage]:
    return _call("GET", "/audit", query={"limit": limit} | ({"before": before} if before else {}))


def _call(
    method: str, path: str, field: str | None = None, *, json: Any = None, query: Mapping[str, int | str] | None = None
) -> Call[Any]:
    """Return a call whose response is one field of the JSON, or all of it."""
    return Call(
        method,
        f"/admin/api{path}",
        lambda response: read_json(response)[field] if field else read_json(response),
        json=json,
        query=query or {},
    )


def _silent(method: str, path: str) -> Call[None]:
    return Call(method, f"/admin/api{path}", lambda response: None)
