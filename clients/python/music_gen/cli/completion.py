"""Complete models' names and tasks' ids in a shell, from the server. Says nothing where that does not answer."""

from __future__ import annotations

import glob
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from music_gen.errors import MusicGenError

if TYPE_CHECKING:
    from music_gen.remote.client import APIClient

RECENT = 50
PATIENCE_S = 2.0  # a shell that hangs is worse than one that completes nothing

Offers = list[tuple[str, str]]  # what could be meant, and a word on it


def models(incomplete: str) -> Offers:
    """Return the names that begin so, each with what it is."""
    return _from_server(incomplete, lambda client: [(each["name"], each["quality"]) for each in client.models()])


def tasks(incomplete: str) -> Offers:
    """Return the ids of recent tasks that begin so, each with its prompt."""
    return _from_server(
        incomplete, lambda client: [(task.id, f"{task.status}: {task.prompt}") for task in client.recent(RECENT)]
    )


def tasks_and_files(incomplete: str) -> Offers:
    """Return the same, and the files whose path begins so."""
    files = sorted(Path().glob(f"{glob.escape(incomplete)}*")) if not incomplete.startswith("/") else []
    return [(f"{path}/" if path.is_dir() else str(path), "") for path in files] + tasks(incomplete)


def _from_server(incomplete: str, ask: Callable[[APIClient], Offers]) -> Offers:
    import httpx

    from music_gen.cli.connection import address
    from music_gen.remote.client import APIClient

    key, url = address(None)
    try:
        with httpx.Client(timeout=PATIENCE_S) as http, APIClient(key, url, retry_for_s=0, http=http) as client:
            return [(value, words) for value, words in ask(client) if value.startswith(incomplete)]
    except (MusicGenError, httpx.InvalidURL):
        return []
