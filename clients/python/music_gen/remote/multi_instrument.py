"""Make pieces for several instruments, and mix them again: what both clients have of these.

`MultiInstrumentCalls` is a part of APIClient (client.py), `AsyncMultiInstrumentCalls` of AsyncAPIClient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Unpack

from music_gen.audio import AudioOutput
from music_gen.params import MixSettings, RemixSettings
from music_gen.remote import requests as calls
from music_gen.remote.polling import OnTask, completed
from music_gen.remote.transport import AsyncConnection, Connection
from music_gen.request_fields import Fields
from music_gen.tracks import Tracks
from music_gen.types import Task, id_of


class MultiInstrumentCalls(ABC):
    """Submit, mix again and download pieces."""

    _connection: Connection

    @abstractmethod
    def get(self, task: Task | str) -> Task: ...

    @abstractmethod
    def wait(self, task: Task | str, *, on_progress: OnTask = None, patience_s: float | None = None) -> Task: ...

    @abstractmethod
    def download(self, task: Task | str) -> AudioOutput: ...

    def multi_instrument(
        self,
        instruments: Mapping[str, str | Mapping[str, Any]],
        duration: float | None = None,
        mix_settings: MixSettings | None = None,
        *,
        on_progress: OnTask = None,
        patience_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> Tracks:
        """Make a clip for each instrument, over one tempo and key, and their mix. Raises as `generate`."""
        task = self.submit_multi_instrument(
            instruments, duration, mix_settings, idempotency_key=idempotency_key, **fields
        )
        with self._connection.withdrawing(calls.cancel(task.id)):
            done = self.wait(task, on_progress=on_progress, patience_s=patience_s)
        return self.download_tracks(done)

    def submit_multi_instrument(
        self,
        instruments: Mapping[str, str | Mapping[str, Any]],
        duration: float | None = None,
        mix_settings: MixSettings | None = None,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> Task:
        """Queue a piece for several instruments; its task is the mix, whose `parts` are the instruments' tasks."""
        call = calls.submit_multi_instrument(instruments, duration, mix_settings, fields, idempotency_key)
        return self._connection.send(call)

    def remix(
        self,
        task: Task | str,
        changes: RemixSettings | None = None,
        *,
        on_progress: OnTask = None,
        patience_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> Tracks:
        """Mix a piece again from its kept stems, without making music anew. Raises as `generate`."""
        mix = self.submit_remix(task, changes, idempotency_key=idempotency_key)
        with self._connection.withdrawing(calls.cancel(mix.id)):
            done = self.wait(mix, on_progress=on_progress, patience_s=patience_s)
        return self.download_tracks(done)

    def submit_remix(
        self, task: Task | str, changes: RemixSettings | None = None, *, idempotency_key: str | None = None
    ) -> Task:
        """Queue a new mix of a piece; its task is a piece of its own. Raises Conflict while a part is not made."""
        return self._connection.send(calls.submit_remix(id_of(task), changes, idempotency_key))

    def download_tracks(self, task: Task | str) -> Tracks:
        """Download the instruments of a completed piece, and their mix."""
        finished = completed(self.get(task))
        stems = {part.name: self.download(part.task_id) for part in finished.parts}
        return Tracks(stems, self.download(finished), tempo_bpm=finished.tempo_bpm, key=finished.key)


class AsyncMultiInstrumentCalls(ABC):
    """Submit, mix again and download pieces."""

    _connection: AsyncConnection

    @abstractmethod
    async def get(self, task: Task | str) -> Task: ...

    @abstractmethod
    async def wait(self, task: Task | str, *, on_progress: OnTask = None, patience_s: float | None = None) -> Task: ...

    @abstractmethod
    async def download(self, task: Task | str) -> AudioOutput: ...

    async def multi_instrument(
        self,
        instruments: Mapping[str, str | Mapping[str, Any]],
        duration: float | None = None,
        mix_settings: MixSettings | None = None,
        *,
        on_progress: OnTask = None,
        patience_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> Tracks:
        """Make a clip for each instrument, over one tempo and key, and their mix. Raises as `generate`."""
        task = await self.submit_multi_instrument(
            instruments, duration, mix_settings, idempotency_key=idempotency_key, **fields
        )
        async with self._connection.withdrawing(calls.cancel(task.id)):
            done = await self.wait(task, on_progress=on_progress, patience_s=patience_s)
        return await self.download_tracks(done)

    async def submit_multi_instrument(
        self,
        instruments: Mapping[str, str | Mapping[str, Any]],
        duration: float | None = None,
        mix_settings: MixSettings | None = None,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[Fields],
    ) -> Task:
        """Queue a piece for several instruments; its task is the mix, whose `parts` are the instruments' tasks."""
        call = calls.submit_multi_instrument(instruments, duration, mix_settings, fields, idempotency_key)
        return await self._connection.send(call)

    async def remix(
        self,
        task: Task | str,
        changes: RemixSettings | None = None,
        *,
        on_progress: OnTask = None,
        patience_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> Tracks:
        """Mix a piece again from its kept stems, without making music anew. Raises as `generate`."""
        mix = await self.submit_remix(task, changes, idempotency_key=idempotency_key)
        async with self._connection.withdrawing(calls.cancel(mix.id)):
            done = await self.wait(mix, on_progress=on_progress, patience_s=patience_s)
        return await self.download_tracks(done)

    async def submit_remix(
        self, task: Task | str, changes: RemixSettings | None = None, *, idempotency_key: str | None = None
    ) -> Task:
        """Queue a new mix of a piece; its task is a piece of its own. Raises Conflict while a part is not made."""
        return await self._connection.send(calls.submit_remix(id_of(task), changes, idempotency_key))

    async def download_tracks(self, task: Task | str) -> Tracks:
        """Download the instruments of a completed piece, and their mix."""
        finished = completed(await self.get(task))
        stems = {part.name: await self.download(part.task_id) for part in finished.parts}
        return Tracks(stems, await self.download(finished), tempo_bpm=finished.tempo_bpm, key=finished.key)
