"""Keep tasks: their titles, favourites, the links that share them. Both clients have these methods from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from music_gen.remote.requests import Call, read_json, read_task, task_path
from music_gen.remote.transport import AsyncConnection, Connection
from music_gen.types import Share, Task, id_of

WEEK_S = 7 * 24 * 3600


class KeepingCalls:
    """Keep tasks, by an APIClient."""

    _connection: Connection

    def edit(self, task: Task | str, *, title: str | None = None, favourite: bool | None = None) -> Task:
        """Give a task another title, "" for none, or keep it as a favourite until it is none; None leaves what is."""
        return self._connection.send(_edit(id_of(task), title, favourite))

    def share(self, task: Task | str, expires_in_s: int = WEEK_S) -> Share:
        """Make a link by which anybody can hear a completed task, without a key: for an hour up to 30 days."""
        return self._connection.send(_share(id_of(task), expires_in_s))

    def shares(self, task: Task | str) -> list[Share]:
        """List the links that share a task now, the one that ends last first."""
        return self._connection.send(_shares(id_of(task)))

    def withdraw(self, share: Share) -> None:
        """Take a link back. Raises NotFound for one that has run out."""
        self._connection.send(_withdraw(share))


class AsyncKeepingCalls:
    """Keep tasks, by an AsyncAPIClient."""

    _connection: AsyncConnection

    async def edit(self, task: Task | str, *, title: str | None = None, favourite: bool | None = None) -> Task:
        """Give a task another title, "" for none, or keep it as a favourite until it is none; None leaves what is."""
        return await self._connection.send(_edit(id_of(task), title, favourite))

    async def share(self, task: Task | str, expires_in_s: int = WEEK_S) -> Share:
        """Make a link by which anybody can hear a completed task, without a key: for an hour up to 30 days."""
        return await self._connection.send(_share(id_of(task), expires_in_s))

    async def shares(self, task: Task | str) -> list[Share]:
        """List the links that share a task now, the one that ends last first."""
        return await self._connection.send(_shares(id_of(task)))

    async def withdraw(self, share: Share) -> None:
        """Take a link back. Raises NotFound for one that has run out."""
        await self._connection.send(_withdraw(share))


def _edit(task_id: str, title: str | None, favourite: bool | None) -> Call[Task]:
    changes: Mapping[str, Any] = {"title": title, "favourite": favourite}
    asked = {name: value for name, value in changes.items() if value is not None}
    return Call("PATCH", task_path(task_id), read_task, json=asked)


def _share(task_id: str, expires_in_s: int) -> Call[Share]:
    asked = {"expires_in_s": expires_in_s}
    return Call("POST", f"{task_path(task_id)}/share", _read_share, json=asked)


def _shares(task_id: str) -> Call[list[Share]]:
    def read(response: httpx.Response) -> list[Share]:
        return [Share.from_answer(each) for each in read_json(response)["shares"]]

    return Call("GET", f"{task_path(task_id)}/share", read)


def _withdraw(share: Share) -> Call[None]:
    path = f"{task_path(share.task_id)}/share/{quote(share.id, safe='')}"
    return Call("DELETE", path, lambda response: None, done_status=404)


def _read_share(response: httpx.Response) -> Share:
    return Share.from_answer(read_json(response))
