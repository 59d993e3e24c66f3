"""Play the worker for the JavaScript package's tests: what it makes of a prompt, it makes on purpose."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace

import soundfile

from shared.broker.connection import connect
from shared.errors import GenerationFailed, StaleAttempt
from shared.jobs.audio_chunks import BYTES_A_SAMPLE, Chunk, ChunkStore, Kind
from shared.jobs.job import Job, Stage
from shared.settings import Settings
from tests.api.dialects.conftest import FAILING_PROMPT, Player, audio_of

STEP_S = 0.03
RATE_HZ = 32_000
CHUNK_BYTES = RATE_HZ // 4 * BYTES_A_SAMPLE
STEPS = {"slowly": 12, "without end": 400}


class Musician(Player):
    """Take time for what is asked for slowly or without end, and play along only with a melody; all at the same time.

    What is to be heard meanwhile takes as long as the piece is. "begins anew" trips in the middle, and begins again
    with other samples.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._chunks = ChunkStore(connect(settings), settings)
        self._performances: list[threading.Thread] = []

    def stop(self) -> None:
        super().stop()
        for performance in self._performances:
            performance.join()

    def _perform(self, job: Job) -> None:
        performance = threading.Thread(target=super()._perform, args=(job,), daemon=True)
        performance.start()
        self._performances.append(performance)

    def _play(self, job: Job) -> None:
        if job.request.prompt == "play along" and job.request.melody is None:
            job = replace(job, request=job.request.model_copy(update={"prompt": FAILING_PROMPT}))
        try:
            if job.request.stream:
                self._sing(job)
            else:
                steps = next((steps for words, steps in STEPS.items() if job.request.prompt.startswith(words)), 0)
                for step in range(steps):
                    self._advance(job, step, steps)
            super()._play(job)
        except GenerationFailed as error:
            self._store.fail(job, error)
        except StaleAttempt:
            pass  # cancelled meanwhile

    def _advance(self, job: Job, step: int, steps: int) -> None:
        self._store.renew(job, Stage.RUNNING, step, steps)
        if self._stop.wait(STEP_S):
            raise StaleAttempt("nobody is left to hear it")

    def _sing(self, job: Job) -> None:
        """Stream the samples of the file that it will be."""
        request = job.request.model_copy(update={"output_format": "wav"})
        samples, _ = soundfile.read(io.BytesIO(audio_of(replace(job, request=request))), dtype="int16")
        trips = job.request.prompt == "begins anew" and job.attempt == 1
        sound: bytes = (-samples if trips else samples).tobytes()
        parts = [sound[at : at + CHUNK_BYTES] for at in range(0, len(sound), CHUNK_BYTES)]
        for number, chunk in enumerate(entries(job, parts), 1):
            self._chunks.write(job, [chunk])
            self._advance(job, number, len(parts) + 2)
            if number == 4 and trips:
                raise GenerationFailed("the model trips")
            if number == 4 and job.request.prompt == FAILING_PROMPT:
                return


def entries(job: Job, parts: list[bytes]) -> Iterator[Chunk]:
    first: Kind = "begin" if job.attempt == 1 else "restart"
    kinds: list[tuple[Kind, bytes]] = [(first, b""), *(("audio", part) for part in parts), ("end", b"")]
    for number, (kind, pcm) in enumerate(kinds, 1):
        yield Chunk(job.attempt, number, kind, RATE_HZ, 1, pcm)
