"""Build every call of the API as a value: method, path, body, and how its response is read. Opens no connection.

What the two clients share, so that they cannot differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from music_gen.audio import AudioOutput
from music_gen.errors import ConnectionFailed, InvalidRequest, UnexpectedAnswer
from music_gen.params import FILES, MixSettings, RemixSettings, as_text, file_of, in_json, keyed, sent_fields
from music_gen.remote.outcomes import error_of
from music_gen.remote.retry import Outcome
from music_gen.request_fields import Asked
from music_gen.types import Batch, Task

T = TypeVar("T")
KEY = "idempotency_key"


@dataclass(frozen=True)
class Call(Generic[T]):
    method: str
    path: str
    read: Callable[[httpx.Response], T]
    json: Any = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, tuple[str, bytes]] | None = None
    query: Mapping[str, int | str] = field(default_factory=dict)
    server_wait_s: float = 0.0  # the server may take so much longer to respond
    headers: Mapping[str, str] = field(default_factory=dict)
    done_status: int | None = None  # the status of a second try when the first one did it


def submit(prompt: str | None, duration: float | None, asked: Asked) -> Call[Task]:
    return _post_one(prompt, duration, asked, read_task)


def submit_variations(prompt: str | None, duration: float | None, asked: Asked, count: int) -> Call[Batch]:
    """Raises InvalidRequest for a single one, for which the server makes a task."""
    if count == 1:
        raise InvalidRequest.of({"field": "count", "message": "one clip is no batch; call submit", "value": "1"})
    return _post_one(prompt, duration, {**asked, "variations": count}, read_batch)


def _post_one(
    prompt: str | None, duration: float | None, asked: Mapping[str, Any], read: Callable[[httpx.Response], T]
) -> Call[T]:
    files = {field: file_of(field, asked[field]) for field in FILES if asked.get(field) is not None}
    fields = sent_fields(prompt, duration, {name: asked[name] for name in asked if name not in (*FILES, KEY)})
    headers = keyed(asked.get(KEY))
    if not files:
        return Call("POST", "/tasks", read, json=fields, headers=headers)
    form = {name: as_text(value) for name, value in fields.items()}
    return Call("POST", "/tasks", read, form=form, files=files, headers=headers)


def submit_multi_instrument(
    instruments: Mapping[str, str | Mapping[str, Any]],
    duration: float | None,
    settings: MixSettings | None,
    fields: Mapping[str, Any],
    key: str | None,
) -> Call[Task]:
    asked_of_each = {
        name: in_json(asked, f"instruments.{name}.") if isinstance(asked, Mapping) else asked
        for name, asked in instruments.items()
    }
    asked = {"instruments": asked_of_each, **in_json({"duration": duration, **fields, **(settings or {})})}
    return Call("POST", "/tasks/multi-instrument", read_task, json=asked, headers=keyed(key))


def submit_remix(task_id: str, changes: RemixSettings | None, key: str | None) -> Call[Task]:
    return Call("POST", f"{task_path(task_id)}/mix", read_task, json=dict(changes or {}), headers=keyed(key))


def submit_batch(requests: Sequence[Mapping[str, Any]], key: str | None) -> Call[Batch]:
    asked = [in_json(each, f"requests[{index}].") for index, each in enumerate(requests)]
    return Call("POST", "/tasks/batch", read_batch, json={"requests": asked}, headers=keyed(key))


@dataclass(frozen=True)
class Polled:
    """Hold a polled task. `waited`: the server waited for a change, as it was asked to."""

    task: Task
    waited: bool


def poll(task_id: str, wait_s: int, stage: str | None) -> Call[Polled]:
    """Poll a task: answered at another stage, or after so many seconds; at once by a server that cannot wait."""

    def read(response: httpx.Response) -> Polled:
        return Polled(read_task(response), waited="Preference-Applied" in response.headers)

    if not wait_s:
        return Call("GET", task_path(task_id), read)
    query: dict[str, int | str] = {"wait": wait_s} | ({"since": stage} if stage else {})
    return Call("GET", task_path(task_id), read, query=query, server_wait_s=wait_s)


def get(task_id: str) -> Call[Task]:
    return Call("GET", task_path(task_id), read_task)


def cancel(task_id: str) -> Call[Task]:
    return Call("DELETE", task_path(task_id), read_task)


def purge(task_id: str) -> Call[None]:
    return Call("DELETE", task_path(task_id), lambda response: None, query={"purge": 1}, done_status=404)


def recent(limit: int, offset: int, q: str | None = None, favourite: bool = False) -> Call[list[Task]]:
    def read(response: httpx.Response) -> list[Task]:
        return [Task.from_answer(each) for each in read_json(response)["tasks"]]

    query: dict[str, int | str] = {"limit": limit, "offset": offset}
    query |= ({"q": q} if q else {}) | ({"favourite": "true"} if favourite else {})
    return Call("GET", "/tasks", read, query=query)


def get_batch(batch_id: str) -> Call[Batch]:
    return Call("GET", f"/tasks/batch/{quote(batch_id, safe='')}", read_batch)


def cancel_batch(batch_id: str) -> Call[Batch]:
    return Call("DELETE", f"/tasks/batch/{quote(batch_id, safe='')}", read_batch)


def download(task: Task, format: str | None = None) -> Call[AudioOutput]:
    """Fetch a completed task's audio; with `format`, what the server converts it to."""
    name = format or task.output_format

    def read(response: httpx.Response) -> AudioOutput:
        data = response.content
        digest = task.sha256 if name == task.output_format else response.headers.get("ETag", "").strip('"')
        if digest and hashlib.sha256(data).hexdigest() != digest:
            raise ConnectionFailed(f"the audio of task {task.id} came damaged ({len(data)} bytes); fetch it again")
        about: dict[str, Any] = {"prompt": task.prompt, "model": task.model, "seed": task.seed}
        return AudioOutput(data, name, warnings=task.warnings, task=task, **about)

    # not `audio_url`, which may have run out since: this address leads to a fresh one
    return Call("GET", f"{task_path(task.id)}/audio", read, query={"format": format} if format else {})


def get_json(path: str) -> Call[dict[str, Any]]:
    """Ask for a response that is handed on as it is."""
    return Call("GET", path, read_json)


def read_task(response: httpx.Response) -> Task:
    return Task.from_answer(read_json(response))


def read_batch(response: httpx.Response) -> Batch:
    return Batch.from_answer(read_json(response))


def events_path(task_id: str) -> str:
    return f"{task_path(task_id)}/events"


def stream_path(task_id: str) -> str:
    """Return the path of a stream as WAV, whatever the file is: samples can be read off it as they come."""
    return f"{task_path(task_id)}/stream?format=wav"


def expect_events(response: httpx.Response) -> None:
    """Raises UnexpectedAnswer for what is no event stream: coming back would not help."""
    kind = response.headers.get("Content-Type", "")
    if not kind.startswith("text/event-stream"):
        raise UnexpectedAnswer(f"{response.request.url} answered {kind or 'no type'}, not events; check base_url")


def resumed(last_id: str | None) -> dict[str, str]:
    """Return the headers of a stream that goes on after that event."""
    return {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})


def conclude(call: Call[T], outcome: Outcome, *, repeated: bool) -> T:
    """Return what was responded. Raises the error that it is."""
    if repeated and isinstance(outcome, httpx.Response) and outcome.status_code == call.done_status:
        return call.read(outcome)
    if isinstance(outcome, httpx.Response) and outcome.is_success:
        return call.read(outcome)
    raise error_of(outcome)


def api_root(base_url: str) -> str:
    """Return the server's address, also from the one that the published document has, which ends in /api/v1."""
    return base_url.rstrip("/").removesuffix("/api/v1")


def read_json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UnexpectedAnswer(
            f"{response.request.url} answered {response.text[:200]!r}, not this API's JSON; check base_url"
        )
    return body


def task_path(task_id: str) -> str:
    return f"/tasks/{quote(task_id, safe='')}"
