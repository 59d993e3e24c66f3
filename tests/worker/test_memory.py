"""The memory that a long clip takes beside its samples: its file, and no copy of them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from shared.audio.encode import Encoded, encode
from shared.jobs.job import Job, Status
from shared.jobs.store import JobStore
from tests.audio_fixtures import tone
from tests.worker.scripted_engine import ScriptedEngine
from worker.jobs.attempt import Attempt

MINUTE = tone(seconds=60.0, peak=2.0)  # loud enough to be scaled down


def peak_bytes(do: Callable[[], object]) -> int:
    """Return the most bytes allocated at once by `do`; what libraries in C allocate is not counted."""
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "ogg"])
def test_a_file_is_written_without_a_copy_of_the_samples(name: str) -> None:
    made: list[Encoded] = []
    most = peak_bytes(lambda: made.append(encode(MINUTE, 32_000, name)))
    assert most < 1.5 * len(made[0].data) + MINUTE.nbytes / 4


def test_a_streamed_clip_takes_its_sent_chunks_and_its_samples_once(
    claim: Callable[..., Job], store: JobStore, attempt: Callable[..., Attempt]
) -> None:
    """Also from an engine that hands out everything at once."""
    job, minutes = claim(duration=60.0, stream=True, output_format="flac"), MINUTE.copy()
    streamed = attempt(job, ScriptedEngine(lambda handle: minutes))
    assert peak_bytes(streamed.run) < minutes.nbytes
    assert store.reader.get(job.id).status is Status.COMPLETED
