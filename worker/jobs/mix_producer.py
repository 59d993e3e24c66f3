"""Make the audio of one composition: stems out of storage, mixed in a process of its own.

The sound itself is made by worker/jobs/mix_process.py. It is a process, one at a time in a worker, so that the decode
loop keeps its interpreter, its memory is bounded, and a cancel ends it at once wherever it is. It dies with its worker:
what it writes to, and the unnamed files that it reads from and writes into, are the worker's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from shared.audio.tags import tags_of
from shared.errors import BlobMissing, FormatUnavailable, GenerationFailed, OutOfMemory, UnusableAudio
from shared.jobs.job import Stage
from shared.music.mix_spec import PARTS_PERCENT, MixSpec, Part
from shared.settings import ROOT
from worker.engine.core.handle import Cancelled
from worker.jobs.lease import Advance, LeaseKeeper
from worker.jobs.producer import AttemptState, Made

CHILD = "worker.jobs.mix_process"
MIXER_POLL_S = 0.25  # while it waits for its turn
FAULTS = {fault.code: fault for fault in (UnusableAudio, OutOfMemory, FormatUnavailable)}

_mixing = threading.Lock()


class MixProducer:
    """Mix the parts of one composition. It asks nothing of the engine: its slot there is free from the beginning."""

    trusts_engine_when_stuck = True  # a child that got stuck is dead by then, and says nothing against this process

    def __init__(self, state: AttemptState, composition: MixSpec) -> None:
        self._state = state
        self._composition = composition
        self._child: subprocess.Popen[str] | None = None
        self._share = 0.0  # of the mix that is done
        self._advanced_at = 0.0

    @contextmanager
    def produce(self, keeper: LeaseKeeper) -> Iterator[Made]:
        """Mix, as AudioProducer. The next mix of this worker begins when this one is stored."""
        self._state.on_made()
        self._wait_for_mixer(keeper)
        try:
            # only now: no rate can be derived from the wait, nor how long a store may be away
            self._state.enter(Stage.RUNNING)
            with ExitStack() as files:
                yield self._mix(files, keeper)
        finally:
            _mixing.release()

    def confirm(self) -> None:
        """Do nothing: no part of a mix is streamed."""

    def left_s(self) -> float | None:
        return (time.monotonic() - self._state.stage_since) * (1 - self._share) / self._share if self._share else None

    def advance(self) -> Advance:
        state = self._state
        percent = PARTS_PERCENT + round((100 - PARTS_PERCENT) * self._share)
        patient = self._child is None or state.stage is Stage.UPLOADING  # store and broker are asked again
        at = max(self._advanced_at, state.patient_until) if patient else self._advanced_at
        return Advance(state.stage, percent, 100, at)

    def stop(self) -> None:
        if (child := self._child) is not None:
            child.kill()

    def _wait_for_mixer(self, keeper: LeaseKeeper) -> None:
        while not _mixing.acquire(timeout=MIXER_POLL_S):
            self._advanced_at = time.monotonic()  # the one before advances, or ends by itself
            self._go_on(keeper)

    def _mix(self, files: ExitStack, keeper: LeaseKeeper) -> Made:
        stems: dict[str, IO[bytes]] = {}
        for part in self._composition.parts:
            self._go_on(keeper)
            stems[part.name] = files.enter_context(self._fetch(part))
        mixed = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        # of a child that is killed, what it has there may still be written by a program that it started
        folder = files.enter_context(tempfile.TemporaryDirectory(prefix="ostinato-", ignore_cleanup_errors=True))
        since = time.monotonic()
        report = self._run_child(stems, mixed, folder, keeper)
        spent_s = time.monotonic() - since
        self._state.enter(Stage.UPLOADING)
        mixed.seek(0)
        about = report["duration_s"], report["sample_rate_hz"], report["channels"]
        return Made(mixed, *about, spent_s, tuple(report["warnings"]))

    def _fetch(self, part: Part) -> IO[bytes]:
        """Return the part's audio in a file without a name. Raises BlobMissing, StorageUnavailable."""
        result = self._state.insist(lambda: self._state.store.reader.get(part.task_id)).result
        if result is None:
            raise BlobMissing(f'the part "{part.name}" (task {part.task_id}) has no audio any more; submit it again')
        file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked for it closes it
        file.write(self._state.storage.read(result.key, size=result.bytes, retry_s=self._state.storage_retry_s))
        file.flush()
        return file

    def _run_child(
        self, stems: dict[str, IO[bytes]], mixed: IO[bytes], folder: str, keeper: LeaseKeeper
    ) -> dict[str, Any]:
        """Return what the child reports of the mix at its end. Raises what it failed with.

        `folder` is for files that it needs by name.
        """
        files = {name: file.fileno() for name, file in stems.items()}
        order = {"stems": files, "out": mixed.fileno(), "mix": self._composition.as_mixed(), **self._options()}
        order["folder"] = folder
        self._advanced_at = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", CHILD],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[*files.values(), mixed.fileno()],
            text=True,
        ) as child:
            self._child = child
            try:
                return self._listen(child, json.dumps(order), keeper)
            finally:
                child.kill()

    def _options(self) -> dict[str, Any]:
        request = self._state.job.request
        tags = tags_of(self._state.job)
        return {
            "output_format": request.output_format,
            "loudness": self._composition.target_lufs(request.loudness),
            "title": tags.title,
            "comment": tags.comment,
            "ffmpeg": self._state.ffmpeg,
        }

    def _listen(self, child: subprocess.Popen[str], order: str, keeper: LeaseKeeper) -> dict[str, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        report: dict[str, Any] = {}
        try:
            child.stdin.write(order)
            child.stdin.close()
        except BrokenPipeError:  # stopped already, or it could not even begin
            pass
        for line in child.stdout:
            report |= json.loads(line)
            self._share, self._advanced_at = report.get("share", self._share), time.monotonic()
            self._go_on(keeper)
        self._go_on(keeper)
        if "duration_s" in report:
            return report
        if (code := report.get("code")) is not None:
            raise FAULTS.get(code, GenerationFailed)(report["message"])
        raise GenerationFailed(f"the mix ended with status {child.wait()}")

    def _go_on(self, keeper: LeaseKeeper) -> None:
        """Go on with the mix. Raises StaleAttempt when the job is no longer ours, Cancelled when this worker leaves."""
        keeper.check()
        if self._state.leaving:
            raise Cancelled
