"""MixAttempt: one attempt at the mix of a composition: stems out of storage, mixed in a process of its own, stored.

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
from contextlib import ExitStack
from typing import IO, Any

from shared.errors import BlobMissing, GenerationFailed, OutOfMemory, UnusableAudio
from shared.jobs.job import Result, Stage
from shared.music.mix_spec import DEFAULT_LUFS, PARTS_PERCENT, MixSpec, Part
from shared.settings import ROOT
from worker.audio.tags import tags_of
from worker.engine.core.handle import Cancelled
from worker.jobs.attempt import Attempt, Made
from worker.jobs.lease import Advance, LeaseKeeper

CHILD = "worker.jobs.mix_process"
LOOK_AROUND_S = 0.25  # while it waits for its turn
FAULTS = {fault.code: fault for fault in (UnusableAudio, OutOfMemory)}

_desk = threading.Lock()


class MixAttempt(Attempt):
    """As an Attempt, but it asks nothing of the engine: its room there is free from the beginning."""

    _child: subprocess.Popen[str] | None = None
    _share = 0.0  # of the mix that is done
    _advanced_at = 0.0
    _stopped = False

    @property
    def stuck(self) -> bool:
        """A child that got stuck is dead by then, and says nothing against this process."""
        return False

    def left_s(self) -> float | None:
        if self._stage is Stage.UPLOADING:
            return 0.0
        return (time.monotonic() - self._stage_since) * (1 - self._share) / self._share if self._share else None

    def _make(self, keeper: LeaseKeeper) -> Result:
        self._on_made()
        self._take_turn(keeper)
        try:
            self._enter(Stage.RUNNING)  # only now: no pace can be told from the wait, nor how long a store may be away
            with ExitStack() as files:
                return self._mix(files, keeper)
        finally:
            _desk.release()

    def _take_turn(self, keeper: LeaseKeeper) -> None:
        while not _desk.acquire(timeout=LOOK_AROUND_S):
            self._advanced_at = time.monotonic()  # the one before advances, or ends by itself
            self._go_on(keeper)

    def _mix(self, files: ExitStack, keeper: LeaseKeeper) -> Result:
        composition = self.job.composition
        assert composition is not None, "only a composition is mixed"
        stems: dict[str, IO[bytes]] = {}
        for part in composition.parts:
            self._go_on(keeper)
            stems[part.name] = files.enter_context(self._fetch(part))
        mixed = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        since = time.monotonic()
        told = self._run_child(composition, stems, mixed, keeper)
        spent_s = time.monotonic() - since
        self._enter(Stage.UPLOADING)
        mixed.seek(0)
        about = told["duration_s"], told["sample_rate_hz"], told["channels"]
        return self._keep(Made(mixed, *about, spent_s, tuple(told["warnings"])))

    def _fetch(self, part: Part) -> IO[bytes]:
        """The part's audio in a file without a name. Raises BlobMissing, StorageUnavailable."""
        result = self._insist(lambda: self._store.reader.get(part.task_id)).result
        if result is None:
            raise BlobMissing(f'the part "{part.name}" (task {part.task_id}) has no audio any more; submit it again')
        file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked for it closes it
        file.write(self._storage.read(result.key, size=result.bytes, retry_s=self._settings.storage_retry_s))
        file.flush()
        return file

    def _run_child(
        self, composition: MixSpec, stems: dict[str, IO[bytes]], mixed: IO[bytes], keeper: LeaseKeeper
    ) -> dict[str, Any]:
        """What it tells of the mix at its end. Raises what it failed with."""
        files = {name: file.fileno() for name, file in stems.items()}
        order = {"stems": files, "out": mixed.fileno(), "mix": composition.as_mixed(), **self._wishes()}
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

    def _wishes(self) -> dict[str, Any]:
        request = self.job.request
        tags = tags_of(self.job)
        return {
            "output_format": request.output_format,
            "loudness": request.loudness,
            "default_lufs": DEFAULT_LUFS,
            "title": tags.title,
            "comment": tags.comment,
        }

    def _listen(self, child: subprocess.Popen[str], order: str, keeper: LeaseKeeper) -> dict[str, Any]:
        assert child.stdin is not None
        assert child.stdout is not None
        told: dict[str, Any] = {}
        try:
            child.stdin.write(order)
            child.stdin.close()
        except BrokenPipeError:  # stopped already, or it could not even begin
            pass
        for line in child.stdout:
            told |= json.loads(line)
            self._share, self._advanced_at = told.get("share", self._share), time.monotonic()
            self._go_on(keeper)
        self._go_on(keeper)
        if "duration_s" in told:
            return told
        if (code := told.get("code")) is not None:
            raise FAULTS.get(code, GenerationFailed)(told["message"])
        raise GenerationFailed(f"the mix ended with status {child.wait()}")

    def _go_on(self, keeper: LeaseKeeper) -> None:
        """Raises StaleAttempt when the job is no longer ours, Cancelled when this worker leaves."""
        keeper.check()
        if self._leaving:
            raise Cancelled

    def _advance(self) -> Advance:
        percent = PARTS_PERCENT + round((100 - PARTS_PERCENT) * self._share)
        patient_until = self._stage_since + 2 * self._settings.storage_retry_s  # store and broker are asked again
        patient = self._child is None or self._stage is Stage.UPLOADING
        at = max(self._advanced_at, patient_until) if patient else self._advanced_at
        return Advance(self._stage, percent, 100, at)

    def _stop(self) -> None:
        if (child := self._child) is not None:
            child.kill()
