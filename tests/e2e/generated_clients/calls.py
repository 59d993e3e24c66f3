"""Submit, poll, download, upload a melody and send a batch by the generated client: `python calls.py URL MELODY`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ostinato_client import Client
from ostinato_client.api.batches import submit_batch
from ostinato_client.api.tasks import get_task, get_task_audio, submit_task
from ostinato_client.models import (
    BatchBody,
    BatchResponse,
    ClipBody,
    NativeError,
    OutputFormat,
    SubmittedBatch,
    SubmittedTask,
    TaskBody,
    TaskForm,
    TaskResponse,
    TaskStatus,
)
from ostinato_client.types import File


def ended(client: Client, task_id: str) -> TaskResponse:
    while True:
        task = get_task.sync(task_id, client=client, wait=20)
        assert isinstance(task, TaskResponse), task
        if task.status is not TaskStatus.PROCESSING:
            return task


def submitted(client: Client, body: TaskBody | TaskForm) -> SubmittedTask:
    task = submit_task.sync(client=client, body=body)
    assert isinstance(task, SubmittedTask), task
    return task


def from_text(client: Client) -> int:
    body = TaskBody(prompt="calm piano", duration=1.0, output_format=OutputFormat.FLAC, seed=7)
    task = ended(client, submitted(client, body).task_id)
    assert task.status is TaskStatus.COMPLETED, task
    audio = get_task_audio.sync(task.task_id, client=client)
    assert isinstance(audio, File), audio
    return len(audio.payload.read())


def from_melody(client: Client, melody: Path) -> float:
    with melody.open("rb") as file:
        upload = File(payload=file, file_name=melody.name, mime_type="audio/wav")
        task = submitted(client, TaskForm(prompt="strings", duration=1.0, melody=upload))
    assert isinstance(task.melody_seconds, float), task
    return task.melody_seconds


def variations(client: Client) -> int:
    batch = submit_task.sync(client=client, body=TaskBody(prompt="drums", duration=1.0, variations=2))
    assert isinstance(batch, SubmittedBatch), batch
    return batch.total


def batch(client: Client) -> list[str]:
    requests = [ClipBody(prompt="calm piano", duration=1.0), ClipBody(prompt="fast drums", duration=1.0, model=None)]
    batch = submit_batch.sync(client=client, body=BatchBody(requests=requests))
    assert isinstance(batch, BatchResponse), batch
    return [ended(client, task.task_id).status.value for task in batch.tasks]


def refused(client: Client) -> str:
    error = submit_task.sync(client=client, body=TaskBody(prompt="x", duration=9000.0))
    assert isinstance(error, NativeError), error
    return error.error.code


def main(url: str, melody: str) -> None:
    client = Client(base_url=url, follow_redirects=True)
    made = {
        "bytes": from_text(client),
        "melody_seconds": from_melody(client, Path(melody)),
        "variations": variations(client),
        "batch": batch(client),
        "refused": refused(client),
    }
    print(json.dumps(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
