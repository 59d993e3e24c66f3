"""Serve GET /tasks/<id>/stream: a streamed task's sound over plain HTTP, while it is made and afterwards.

Owns which file is sent and how such a connection ends. Its proper end says that the task has completed and all of it
was sent; in every other case the connection is broken off in the middle, which is all that HTTP has for it.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

from flask import Blueprint, Response, request, stream_with_context
from werkzeug.wrappers import Response as AnyResponse

from api.auth.authenticate import current_auth
from api.auth.rate_limits import count_served, expect_bytes_left
from api.auth.stream_limits import OpenRequest, open_stream
from api.handlers.audio_response import VIA, asks_for_bytes, serve_audio
from api.openapi.operations import Operation, Section, audio_responses
from api.openapi.schemas import NativeError
from api.services.job_service import JobService
from api.streaming.audio_hub import AudioHub, Gone, over_outage
from api.streaming.encoders import STREAMABLE, StreamEncoder, media_type_of, open_encoder
from api.streaming.resume import BrokenOff, ResumePoint
from shared.errors import Conflict, FieldError, InvalidRequest, OstinatoError
from shared.jobs.audio_chunks import START, Chunk, Head, StreamPosition
from shared.jobs.job import Job, Status
from shared.jobs.task_response import audio_name
from shared.music.formats import FORMATS

log = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Accept-Ranges": "none"}


def blueprint(job_service: JobService, audio_hub: AudioHub) -> Blueprint:
    bp = Blueprint("streams", __name__)

    @bp.get("/tasks/<task_id>/stream")
    def stream(task_id: str) -> AnyResponse:
        asked, from_here = _asked_format(), asks_for_bytes()
        job = job_service.get(task_id, current_auth().account).job
        if _is_stored(job, asked):
            return _stored(job_service, job, from_here)
        name = asked or (job.request.output_format if job.request.output_format in STREAMABLE else "wav")
        _expect_chunks(audio_hub, job, name)
        expect_bytes_left()
        response = Response(content_type=media_type_of(name), headers=HEADERS)
        if request.method == "GET":
            audio_stream = _AudioStream(audio_hub, job.id, name, _announced(job_service, job))
            connection: socket.socket | None = request.environ.get("gunicorn.socket")
            # Not with `Connection: close`: some clients (Node's fetch) then take a body that is broken off for whole.
            response.response = stream_with_context(_until_over(audio_stream, connection, open_stream(response)))
        return response

    return bp


def _asked_format() -> str | None:
    """Raises InvalidRequest."""
    asked = request.args.get("format")
    if asked is not None and asked not in FORMATS:
        message = f"is no format; send one of {', '.join(STREAMABLE)}, or that of the finished file"
        raise InvalidRequest([FieldError("format", message, repr(asked)[:80])])
    return asked


def _is_stored(job: Job, asked: str | None) -> bool:
    return job.status is Status.COMPLETED and asked in (None, job.request.output_format)


def _stored(job_service: JobService, job: Job, from_here: bool) -> AnyResponse:
    assert job.result is not None, "a completed job has a result"
    return serve_audio(job_service, job.id, job.result, audio_name(job), from_here=from_here)


def _expect_chunks(audio_hub: AudioHub, job: Job, name: str) -> None:
    """Raises Conflict, InvalidRequest."""
    made = job.request.output_format
    if job.status in (Status.FAILED, Status.CANCELLED):
        raise _conflict(job, f"is {job.status}; submit it again")
    if not job.request.stream and job.status is not Status.COMPLETED:
        raise _conflict(job, 'was not submitted with "stream": true; wait for GET /tasks/<id>/audio, or submit it so')
    if name not in STREAMABLE:
        message = f"cannot be made while the sound comes; send one of {', '.join(STREAMABLE)}"
        raise InvalidRequest([FieldError("format", message, repr(name))])
    if job.status is Status.COMPLETED and not audio_hub.has_all(job.id):
        raise _conflict(job, f"has ended, and only its {made} file is left; leave out format, or send format={made}")


def _conflict(job: Job, why: str) -> Conflict:
    return Conflict(f"task {job.id} {why}", details={"status": job.status.value})


def _announced(job_service: JobService, job: Job) -> tuple[int, int] | None:
    """Return the rate and channels of its model's workers; None when none lives, or they differ."""
    found = {(w.sample_rate_hz, w.channels) for w in job_service.model_service.workers() if w.model == job.model}
    return found.pop() if len(found) == 1 else None


class _AudioStream:
    """Stream a job's sound as one file, chunk by chunk. Counts what it gives towards the month's bytes."""

    def __init__(self, audio_hub: AudioHub, job_id: str, name: str, announced: tuple[int, int] | None) -> None:
        self._audio_hub = audio_hub
        self._job_id = job_id
        self._name = name
        self._announced = announced
        self._playback = ResumePoint()
        self._encoder: StreamEncoder | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield bytes of the file, empty while nothing is made: the first sends the response's head.

        Raises BrokenOff when no more can come although it is not over, RateLimited, BrokerUnavailable.
        """
        yield self._begin(*self._announced) if self._announced else b""
        head, at = None, START
        with closing(self._audio_hub.subscribe(self._job_id)) as subscription:
            for each in subscription:
                if isinstance(each, Head):
                    head = each
                    yield b""
                else:
                    at, data = each.position, self._add(each)
                    yield _counted(data) if data else b""
        self._expect_all(head, at)
        if self._encoder is not None and (last := self._encoder.end()):
            yield _counted(last)

    def _expect_all(self, head: Head | None, at: StreamPosition) -> None:
        """Raises BrokenOff. A whole attempt may not be the one whose sound is kept."""
        if head is None or head.status is not Status.COMPLETED:
            raise BrokenOff(f"the task is {head.status}" if head else "nothing is known of the task")
        if not self._playback.is_complete or at < head.last:
            raise BrokenOff("the rest of its sound has expired")

    def _begin(self, rate_hz: int, channels: int) -> bytes:
        self._encoder = open_encoder(self._name, rate_hz, channels)
        self._announced = rate_hz, channels
        return self._encoder.begin()

    def _add(self, chunk: Chunk) -> bytes:
        begun = b"" if self._encoder else self._begin(chunk.rate_hz, chunk.channels)
        if self._announced != (chunk.rate_hz, chunk.channels):
            raise BrokenOff("the sound has another rate or number of channels than was announced")
        pcm = self._playback.take(chunk)
        assert self._encoder is not None
        return begun + (self._encoder.add(pcm) if pcm else b"")


def _counted(data: bytes) -> bytes:
    """Count it towards the month's bytes. Raises RateLimited."""
    over_outage(lambda: count_served(len(data)))
    return data


def _until_over(audio_stream: _AudioStream, connection: socket.socket | None, opened: OpenRequest) -> Iterator[bytes]:
    try:
        for data in audio_stream.chunks():
            opened.expect_good_key()
            if not data and _has_hung_up(connection):
                raise BrokenOff("nobody listens any more")
            yield data
    except (BrokenOff, Gone, OstinatoError) as error:
        log.info("%s is broken off: %s", request.path, error)
        if connection is None:  # no server that would notice: a test, or one that closes at an exception
            raise
        with suppress(OSError):  # so that the last, empty chunk, the sign of a proper end, is not sent
            connection.shutdown(socket.SHUT_RDWR)


def _has_hung_up(connection: socket.socket | None) -> bool:
    """Return whether the client has closed: while nothing is written, nobody else would notice."""
    if connection is None:
        return False
    timeout_s = connection.gettimeout()
    connection.settimeout(0.0)  # gevent's sockets know no MSG_DONTWAIT
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except (BlockingIOError, ValueError):  # nothing came; or it is TLS, which cannot be peeked into
        return False
    except OSError:
        return True
    finally:
        with suppress(OSError):
            connection.settimeout(timeout_s)


FORMAT = {"type": "string", "enum": list(FORMATS), "description": "Left out, the task's own, or wav"}
SECTION = Section(
    "streams",
    "A task's sound while it is made. Where the task does not complete, the body breaks off.",
    [
        Operation(
            "GET",
            "/tasks/<task_id>/stream",
            "streamTaskAudio",
            "Listen to a task that was submitted with stream: true",
            audio_responses("The sound, from its beginning, as it comes; the stored file once the task has completed"),
            query={"format": FORMAT, "via": VIA},
            failures=(409, 416),
        )
    ],
    NativeError,
)
