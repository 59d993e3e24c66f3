"""List, show and cancel what a server has: tasks, batches, models."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from music_gen.cli.connection import connect
from music_gen.cli.failures import FAILED, Misuse, complain
from music_gen.cli.making import described, summary
from music_gen.cli.options import ScreenOptions, ServerOptions
from music_gen.cli.output_file import STDOUT, save, target_of
from music_gen.cli.progress_bar import Bar
from music_gen.errors import MusicGenError, NotFound
from music_gen.remote.client import APIClient
from music_gen.types import Batch, Task

LEFT_OUT = {"result", "task_id"}  # of what is shown: said by other fields


def print_list(
    limit: int, offset: int, server: ServerOptions, *, search: str | None, favourites: bool, as_json: bool
) -> None:
    with connect(server.base_url) as client:
        tasks = client.recent(limit, offset, q=search, favourite=favourites)
    if as_json:
        print(json.dumps([dict(task.raw) for task in tasks], indent=2))
        return
    rows = [(task.id, _state(task), _clock(task.created_at), task.model, task.prompt) for task in tasks]
    _print_table(("TASK", "STATE", "SINCE", "MODEL", "PROMPT"), rows)


def print_models(server: ServerOptions, *, as_json: bool) -> None:
    with connect(server.base_url) as client:
        models = client.models()
    if as_json:
        print(json.dumps(models, indent=2))
        return
    rows = [
        (
            str(each["name"]),
            str(each["workers"]),
            "yes" if each["melody"] else "no",
            "stereo" if each["stereo"] else "mono",
            f"{each['max_duration']:g} s",
            str(each["quality"]),
        )
        for each in models
    ]
    _print_table(("MODEL", "WORKERS", "MELODY", "SOUND", "LONGEST", "QUALITY"), rows)


def show(named: str, output: Path | None, server: ServerOptions, screen: ScreenOptions, *, force: bool) -> None:
    """Show a task or a batch; with `output`, wait for the task's music and save it. Raises Misuse."""
    with connect(server.base_url) as client:
        found = _find(client, named)
        if output is not None:
            if isinstance(found, Batch):
                raise Misuse("--output: a batch has several clips; name one of its tasks")
            _save_music(client, found, output, screen, force=force)
            return
    if screen.json:
        print(json.dumps(dict(found.raw), indent=2))
        return
    for name, value in _lines_of(found):
        print(f"{name + ':':20}{value}")


def _save_music(client: APIClient, task: Task, output: Path, screen: ScreenOptions, *, force: bool) -> None:
    target = target_of(output, None)
    with Bar(None if screen.quiet else sys.stderr) as bar:
        clip = client.download(client.wait(task, on_progress=bar.show_task))
    if target.path == STDOUT:
        sys.stdout.buffer.write(clip.data)
        return
    saved = save(clip, target.path, force=force)
    print(json.dumps(described(clip, saved)) if screen.json else f"{saved}: {summary(clip)}")


def cancel(ids: Sequence[str], server: ServerOptions, *, as_json: bool) -> int:
    """Cancel each; one that cannot be cancelled any more does not keep the others. Returns the exit status."""
    status = 0
    with connect(server.base_url) as client:
        for named in ids:
            try:
                found = _find(client, named)
                left = client.cancel_batch(found) if isinstance(found, Batch) else client.cancel(found)
            except MusicGenError as error:
                complain(error)
                status = FAILED
                continue
            print(json.dumps(dict(left.raw)) if as_json else f"{named} {left.status}")
    return status


def _find(client: APIClient, named: str) -> Task | Batch:
    """Find the task, or else the batch, of that id. Raises NotFound."""
    try:
        return client.get(named)
    except NotFound:
        try:
            return client.get_batch(named)
        except NotFound:
            raise NotFound(f"there is no task and no batch {named}; music-gen list shows the tasks") from None


def _state(task: Task) -> str:
    if task.status != "processing":
        return task.status
    return f"{task.stage} {task.progress:.0f} %" if task.progress else task.stage


def _clock(at: float | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the columns below each other; on a terminal the last one is cut at its edge."""
    lines = [heads, *([" ".join(cell.split()) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads) - 1)]
    edge = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        padded = [f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*padded, line[-1]])[:edge].rstrip())


def _lines_of(found: Task | Batch) -> Iterator[tuple[str, str]]:
    yield "task" if isinstance(found, Task) else "batch", found.id
    raw: Mapping[str, Any] = found.raw
    for name, value in raw.items():
        if name in LEFT_OUT or value in (None, [], {}):
            continue
        if name == "created_at":
            yield name, _clock(value)
        elif name in ("tasks", "parts"):
            for each in value:
                yield each.get("name", "task"), f"{each['task_id']}  {each['status']}  {each.get('prompt', '')}"
        elif isinstance(value, dict):
            yield name, ", ".join(f"{key} {part}" for key, part in value.items())
        else:
            yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
