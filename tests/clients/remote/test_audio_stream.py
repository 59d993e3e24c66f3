"""Stream a clip while it is made, from the live API: what comes, what is made of trouble, and what leaving does."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from music_gen import APIClient, AsyncAPIClient, AudioChunk, Task, errors
from music_gen.wav_reader import WavReader

from shared.broker.connection import connect
from tests.clients.conftest import RATE_HZ, SLOW, STUMBLING, Live, pcm
from tests.clients.proxy import Fault, proxy_before

pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture
def client(live: Live) -> Iterator[APIClient]:
    with APIClient(live.key, live.url) as client:
        yield client


def joined(chunks: list[AudioChunk]) -> bytes:
    """Return the samples since the last restart."""
    last = max((number for number, chunk in enumerate(chunks) if chunk.restart), default=0)
    return b"".join(chunk.pcm for chunk in chunks[last:])


def until_cancelled(client: APIClient, task: Task | None) -> None:
    assert task is not None
    give_up_at = time.monotonic() + 10
    while not client.get(task).ended and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert client.get(task).status == "cancelled"


def test_chunks_come_while_the_clip_is_made_and_join_to_the_file(client: APIClient) -> None:
    told: list[Task] = []
    with client.stream("calm piano", 2, seed=3, cache=False, on_progress=told.append) as stream:
        first = next(stream)
        assert stream.task is not None
        assert not client.get(stream.task).ended
        chunks = [first, *stream]
        clip = stream.result()
    assert joined(chunks) == pcm(4, 2)
    assert [chunk.at_s for chunk in chunks] == sorted({chunk.at_s for chunk in chunks})
    assert (first.sample_rate_hz, first.channels, chunks[-1].progress) == (RATE_HZ, 1, 100.0)
    np.testing.assert_array_equal(np.concatenate([c.numpy() for c in chunks], axis=1), clip.numpy())
    assert (clip.task and clip.task.status, told[-1].status) == ("completed", "completed")


def test_one_that_is_over_is_heard_all_the_same_and_again_from_its_file_when_its_chunks_are_gone(
    client: APIClient, live: Live
) -> None:
    task = client.submit("calm piano", 1, seed=5, cache=False, stream=True, output_format="flac")
    client.wait(task)
    assert joined(list(client.listen(task))) == pcm(6, 1)
    connect(live.settings).delete(f"ostinato:chunks:{task.id}")
    (whole,) = client.listen(task, duration=1)
    assert (whole.pcm, whole.progress) == (pcm(6, 1), 100.0)


def test_a_connection_that_breaks_off_is_opened_again_and_nothing_comes_twice(live: Live) -> None:
    with proxy_before(live.url) as proxy, APIClient(live.key, proxy.url) as client:
        proxy.faults.append(Fault(path="/stream", cut_at_bytes=30_001))
        chunks = list(client.stream("calm piano", 2, seed=8, cache=False))
        assert joined(chunks) == pcm(9, 2)
        assert not any(chunk.restart for chunk in chunks)
        assert sum("/stream" in path for _, path, _ in proxy.seen) == 2


def test_a_new_attempt_with_another_sound_says_restart_and_gives_it_from_its_beginning(
    client: APIClient, live: Live
) -> None:
    live.player.trip.clear()
    chunks = []
    for chunk in client.stream(STUMBLING, 2, seed=11, cache=False):
        chunks.append(chunk)
        live.player.trip.set()
    (at,) = [number for number, chunk in enumerate(chunks) if chunk.restart]
    assert at > 0
    assert joined(chunks[:at]) == pcm(12, 2)[: len(joined(chunks[:at]))]
    assert joined(chunks) == pcm(13, 2)
    assert chunks[at].at_s == 0.0


def test_leaving_early_cancels_what_was_submitted_for_it_and_nothing_else(client: APIClient) -> None:
    with client.stream(f"{SLOW} left", 2) as stream:
        next(stream)
    until_cancelled(client, stream.task)
    for _ in (dropped := client.stream(f"{SLOW} dropped", 2)):
        break
    dropped.close()
    until_cancelled(client, dropped.task)
    task = client.submit(f"{SLOW} kept", 2, stream=True)
    with client.listen(task) as heard:
        next(heard)
    assert not client.get(task).ended
    client.cancel(task)
    with pytest.raises(errors.TaskCancelled):
        list(client.listen(task))


def test_what_cannot_be_streamed_is_the_servers_refusal(client: APIClient) -> None:
    with pytest.raises(errors.InvalidRequest, match="loudness"):
        list(client.stream("x", 1, loudness=-14))
    task = client.submit(f"{SLOW} silent", 1)
    with pytest.raises(errors.Conflict, match='"stream": true'):
        list(client.listen(task))
    client.cancel(task)


def test_awaited_it_is_the_same(live: Live) -> None:
    async def listen() -> tuple[bytes, int, Task | None]:
        async with AsyncAPIClient(live.key, live.url) as client:
            async with client.stream("calm piano", 1, seed=20, cache=False, output_format="flac") as stream:
                chunks = [chunk async for chunk in stream]
                clip = await stream.result()
            assert soundfile.info(io.BytesIO(clip.data)).format == "FLAC"
            live.player.trip.clear()
            async for chunk in client.stream(STUMBLING, 1, seed=21, cache=False):
                chunks.append(chunk)
                live.player.trip.set()
            async with client.stream(f"{SLOW} awaited", 2) as left:
                await anext(left)
            return joined(chunks), sum(chunk.restart for chunk in chunks), left.task

    sound, restarts, left = asyncio.run(listen())
    assert (sound, restarts) == (pcm(23, 1), 1)
    with APIClient(live.key, live.url) as client:
        until_cancelled(client, left)


@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
def test_a_wav_is_read_in_pieces_of_any_size_past_its_tags(piece_bytes: int) -> None:
    frames = np.frombuffer(pcm(1, 0.05), "<i2").reshape(-1, 2)
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE_HZ, channels=2, format="WAV", subtype="PCM_16") as sound:
        sound.title = "odd"
        sound.write(frames)
    data, reader = file.getvalue(), WavReader()
    heard = [reader.feed(data[at : at + piece_bytes]) for at in range(0, len(data), piece_bytes)]
    assert b"".join(heard) == frames.tobytes()
    assert (reader.sample_rate_hz, reader.channels) == (RATE_HZ, 2)
    assert all(len(part) % 4 == 0 for part in heard)
    with pytest.raises(errors.UnexpectedAnswer, match="no WAV"):
        WavReader().feed(b"<!doctype html><html>")
