"""Make many clips at once: the takes of one request, or the requests of a file. Saves each as soon as it is made."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from music_gen.cli.batch_file import Request
from music_gen.cli.connection import connect
from music_gen.cli.failures import FAILED, Misuse, complain
from music_gen.cli.making import Asked, described, print_warnings, summary
from music_gen.cli.options import ScreenOptions, ServerOptions
from music_gen.cli.output_file import STDOUT, numbered, save
from music_gen.cli.progress_bar import Bars
from music_gen.errors import InvalidRequest, MusicGenError
from music_gen.remote.client import APIClient
from music_gen.types import Batch, Task

AT_ONCE = 100  # requests of one batch, as the API takes them


class Collector:
    """Save the clips of one batch as they come; `paths` says where each goes, in the order of its tasks."""

    def __init__(
        self, client: APIClient, paths: Sequence[Path], bars: Bars, *, force: bool, as_json: bool, first: int = 1
    ) -> None:
        """`first`: the number of the first one among all that were asked for."""
        self._client, self._paths, self._bars = client, paths, bars
        self._force, self._json, self._first = force, as_json, first
        self._seen: set[int] = set()
        self.failed = 0

    def wait(self, batch: Batch) -> None:
        """Wait for all of it. Ctrl-C cancels what is not made yet."""
        try:
            self._client.wait_batch(batch, on_progress=self._update)
        except KeyboardInterrupt:
            self._client.cancel_batch(batch)
            raise
        except MusicGenError as error:
            raise MusicGenError(f"{error}; the server may go on with it: music-gen show {batch.id}") from error

    def _update(self, batch: Batch) -> None:
        self._bars.show([path.name for path in self._paths], batch)
        for number, task in enumerate(batch.tasks):
            if number not in self._seen and task.ended:
                self._seen.add(number)
                self._collect(number, task)

    def _collect(self, number: int, task: Task) -> None:
        path = self._paths[number]
        try:
            clip = self._client.download(task)
        except MusicGenError as error:
            self.failed += 1
            complain(f"{path.name}: {error}")
            self._print_json(number, {"file": None, "error": str(error), "task": dict(task.raw)})
            return
        saved = save(clip, path, force=self._force)
        self._print_json(number, described(clip, saved))
        if not self._json:
            print_warnings(clip)
            print(f"{saved}: {summary(clip)}", flush=True)

    def _print_json(self, number: int, record: Mapping[str, Any]) -> None:
        if self._json:
            print(json.dumps({"request": self._first + number, **record}), flush=True)


def make_variations(asked: Asked, count: int) -> int:
    """Make several takes of one request. Returns the exit status. Raises Misuse."""
    target = asked.target()
    if target.path == STDOUT:
        raise Misuse("--output -: several clips need files; name one, and the others get its name with a number")
    sent = asked.sent(target)
    if not asked.prompt and asked.music.melody is None:
        raise Misuse("say what to hear: a prompt, a --melody, or both (music-gen variations --help has examples)")
    with Bars(None if asked.screen.quiet else sys.stderr) as bars, connect(asked.server.base_url) as client:
        batch = client.submit_variations(asked.prompt, asked.music.duration, count=count, **sent)
        paths = [target.path] * count  # saving finds each a number of its own
        if asked.file.force:
            paths = [target.path, *(numbered(target.path, number) for number in range(2, count + 1))]
        collector = Collector(client, paths, bars, force=asked.file.force, as_json=asked.screen.json)
        collector.wait(batch)
    return FAILED if collector.failed else 0


def make_batch(
    requests: Sequence[Request], folder: Path, server: ServerOptions, screen: ScreenOptions, *, force: bool
) -> int:
    """Make a clip for each request of a file, a hundred at a time. Returns the exit status."""
    failed = 0
    with Bars(None if screen.quiet else sys.stderr) as bars, connect(server.base_url) as client:
        for first in range(0, len(requests), AT_ONCE):
            some = requests[first : first + AT_ONCE]
            batch = _submit(client, some)
            paths = [folder / each.file_name for each in some]
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
            collector = Collector(client, paths, bars, force=force, as_json=screen.json, first=first + 1)
            collector.wait(batch)
            failed += collector.failed
    if failed:
        complain(f"{failed} of {len(requests)} clips were not made")
    return FAILED if failed else 0


def _submit(client: APIClient, requests: Sequence[Request]) -> Batch:
    """Submit them, all or none. Raises Misuse that names the file's line for each bad field."""
    try:
        return client.submit_batch([each.fields for each in requests])
    except InvalidRequest as error:
        faults = [_placed(requests, name, words) for name, words in error.fields.items()]
        raise Misuse("; ".join(faults) or str(error)) from error


def _placed(requests: Sequence[Request], field: str, words: str) -> str:
    """Return a fault with the place in the file instead of the API's `requests[3].prompt`."""
    found = re.match(r"requests\[(\d+)\]\.?(.*)", field)
    if found is None or int(found[1]) >= len(requests):
        return f"{field}: {words}"
    return f"{requests[int(found[1])].where}: {found[2]}: {words}"
