"""What a long piece costs beside its samples: its file, and no copy of them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from shared.jobs.job import Job, Status
from shared.jobs.store import JobStore
from tests.audio_fixtures import tone
from tests.worker.scripted_engine import ScriptedEngine
from worker.audio.encode import Encoded, encode
from worker.jobs.attempt import Attempt

MINUTE = tone(seconds=60.0, peak=2.0)  # loud enough to be scaled down


def most_bytes(do: Callable[[], object]) -> int:
    """Held at once while it is done, beside what was there before; what libraries in C allocate is not seen."""
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "ogg"])
def test_a_file_is_written_without_a_copy_of_the_samples(name: str) -> None:
    made: list[Encoded] = []
    most = most_bytes(lambda: made.append(encode(MINUTE, 32_000, name)))
    assert most < 1.5 * len(made[0].data) + MINUTE.nbytes / 4


def test_a_streamed_piece_is_held_as_it_was_sent_and_once_as_samples(
    claim: Callable[..., Job], store: JobStore, attempt: Callable[..., Attempt]
) -> None:
    """Also from an engine that hands out everything at once."""
    job, whole = claim(duration=60.0, stream=True, output_format="flac"), MINUTE.copy()
    streamed = attempt(job, ScriptedEngine(lambda handle: whole))
    assert most_bytes(streamed.run) < whole.nbytes
    assert store.get(job.id).status is Status.COMPLETED
