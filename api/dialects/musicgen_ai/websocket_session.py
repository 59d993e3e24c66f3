"""Make a task for a WebSocket, and return its messages in the Music Gen AI API's words.

Knows no frames and no socket, only whether the client is still connected.
"""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from api.auth.authenticate import current_auth, expect_valid_key
from api.auth.keys import Keys
from api.auth.rate_limits import count_served, count_submission
from api.auth.stream_limits import OpenRequest
from api.dialects.musicgen_ai.responses import accepted, generation_state
from api.dialects.musicgen_ai.routes import SOURCE
from api.services.acceptor import Submitter
from api.services.job_service import JobService, TaskState
from api.streaming.audio_hub import AudioHub, Gone, over_outage
from api.streaming.encoders import BYTES_A_SAMPLE, pcm_of
from api.streaming.shutdown import Shutdown
from shared.errors import Conflict, NotFound, OstinatoError
from shared.jobs.audio_chunks import START, Chunk, Head
from shared.jobs.job import Job, JobError, Status
from shared.music.formats import FORMATS
from shared.settings import Settings

ENCODING = "pcm_s16le"
CANCELLED = JobError("CANCELLED", "the task was cancelled", {})

Message = dict[str, Any]


class WebSocketSession:
    """Serve `generate` messages one at a time, in the context of the request that opened the connection."""

    def __init__(
        self,
        job_service: JobService,
        audio_hub: AudioHub,
        shutdown: Shutdown,
        keys: Keys,
        settings: Settings,
        opened: OpenRequest,
    ) -> None:
        self._job_service = job_service
        self._audio_hub = audio_hub
        self._shutdown = shutdown
        self._keys = keys
        self._settings = settings
        self._opened = opened
        self._job_id: str | None = None  # of the task that is being made

    def generate(self, fields: Mapping[str, Any], is_connected: Callable[[], bool]) -> Iterator[Message]:
        """Submit, and yield messages until the end, while the client `is_connected`. Raises as `JobService.submit`."""
        expect_valid_key(self._keys)
        count_submission()
        auth = current_auth()
        asked = FORMATS.get(str(fields.get("output_format")).strip().lower())
        if asked is not None and asked.needs_ffmpeg:
            fields = {**fields, "cache": False}  # of a kept result there is only its file, whose sound is not read here
        submitter = Submitter(auth.account, SOURCE, concurrent=auth.concurrent, key_id=auth.key_id)
        state = self._job_service.submit(fields, submitter)
        job = state.job
        self._job_id = job.id
        yield {
            "type": "accepted",
            **accepted(state),
            "stream": job.request.stream,
            "model": job.model,
            "seed": job.seed,
            "position": state.position,
        }
        try:
            yield from self._messages(job, is_connected)
        except Gone:
            raise NotFound(f"task {job.id} was purged") from None
        except OstinatoError:
            self.hang_up()  # what cannot be sent is not made
            raise

    def hang_up(self) -> None:
        """Cancel the job when its client is gone. A server that is to stop lets it go on."""
        job_id, self._job_id = self._job_id, None
        if job_id is not None and not self._shutdown.begun:
            with suppress(Conflict, NotFound):  # it has ended meanwhile
                over_outage(lambda: self._job_service.cancel(job_id, current_auth().account))

    def _messages(self, job: Job, is_connected: Callable[[], bool]) -> Iterator[Message]:
        chunks_sent, ends_at = 0, START
        before: Head | None = None
        with closing(self._audio_hub.subscribe(job.id)) as subscription:
            for each in subscription:
                if not is_connected():
                    return self.hang_up()
                self._opened.expect_good_key()
                if isinstance(each, Head):
                    if not each.status.ended and _differ(before, each):
                        yield _progress(job.id, each)
                    before = each
                elif each.kind == "restart":
                    chunks_sent = 0
                    yield {"type": "restart", "task_id": job.id, "attempt": each.attempt}
                elif each.kind == "end":
                    ends_at = each.position
                elif each.kind == "audio" and job.request.stream:
                    chunks_sent += 1
                    yield _audio(job.id, each)
        if before is None or not before.status.ended:
            return  # this server is to stop; the task goes on
        is_complete = START < before.last == ends_at
        state = over_outage(lambda: self._job_service.get(job.id, current_auth().account))
        self._job_id = None
        if job.request.stream and not chunks_sent and state.job.status is Status.COMPLETED:
            for chunk in self._kept(state):
                chunks_sent, is_complete = chunks_sent + 1, True
                yield _audio(job.id, chunk)
        yield self._ending(state, chunks_sent, is_complete and chunks_sent > 0)

    def _kept(self, state: TaskState) -> Iterator[Chunk]:
        """Yield the chunks of the stored file, of a job that shares an earlier, equal request's result."""
        result = state.job.result
        assert result is not None, "a completed job has a result"
        with tempfile.TemporaryFile() as file, self._job_service.blobs.open_result(result) as reader:
            for block in reader:
                file.write(block)
            file.seek(0)
            rate_hz, channels, blocks = pcm_of(file, result.sample_rate_hz)
            for number, pcm in enumerate(blocks, 2):
                yield Chunk(state.job.attempt, number, "audio", rate_hz, channels, pcm)

    def _ending(self, state: TaskState, chunks_sent: int, is_complete: bool) -> Message:
        job = state.job
        if job.status is Status.COMPLETED:
            finished = generation_state(self._job_service, self._settings, state)
            return {"type": "completed", **finished, "chunks": chunks_sent, "streamed": is_complete}
        error = (job.error if job.status is Status.FAILED else None) or CANCELLED
        return {"type": "error", "task_id": job.id, "error": error.as_dict()}


def _differ(before: Head | None, now: Head) -> bool:
    def shown(head: Head) -> tuple[Any, ...]:
        return head.status, head.stage, head.step, head.steps, head.attempt

    return before is None or shown(before) != shown(now)


def _progress(job_id: str, head: Head) -> Message:
    return {
        "type": "progress",
        "task_id": job_id,
        "status": "processing",
        "stage": head.stage.value,
        "progress": round(99.0 * head.step / head.steps, 1) if head.steps else 0.0,
        "step": head.step,
        "steps": head.steps,
        "attempt": head.attempt,
    }


def _audio(job_id: str, chunk: Chunk) -> Message:
    """Return a chunk's message, its samples counted towards the month's bytes. Raises RateLimited."""
    over_outage(lambda: count_served(len(chunk.pcm)))
    return {
        "type": "audio_chunk",
        "task_id": job_id,
        "attempt": chunk.attempt,
        "sequence": chunk.sequence,
        "format": ENCODING,
        "sample_rate": chunk.rate_hz,
        "channels": chunk.channels,
        "samples": len(chunk.pcm) // (BYTES_A_SAMPLE * chunk.channels),
        "data": base64.b64encode(chunk.pcm).decode(),
        "timestamp": int(time.time()),
    }
