"""Cache the states of polled jobs, and prove at each poll that their records still hold.

A poll costs its share of one round trip for all who poll at once (combined_reads.py): the record is compared with
what was read before, and parsed only when it differs, so that no status is ever told late. What moves with every
claim or by itself, the position, the estimate and the times of a job that has not ended, is made anew at most twice a
second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from api.services.combined_reads import ReadCombiner
from api.services.task_state import TaskState
from shared.errors import OstinatoError
from shared.jobs.job import Job, Status
from shared.jobs.priority_order import QueuePosition
from shared.jobs.reader import JobReader, RawRecord
from shared.jobs.snapshot import fields_of, job_from

STATE_AGE_S = 0.5
JOBS_AT_MOST = 2000  # some kilobytes each


@dataclass
class Polled:
    """Hold a job as its record was read last, and where it stood then or up to STATE_AGE_S before."""

    record: RawRecord
    job: Job
    position: int | None
    placed_at: float  # by the monotonic clock, as the next
    state: TaskState | None = None
    state_at: float = 0.0

    @property
    def waits(self) -> bool:
        return self.job.status is Status.QUEUED


class JobCache:
    """Cache the JOBS_AT_MOST jobs that were polled last; one per process. All methods raise BrokerUnavailable."""

    def __init__(self, reader: JobReader, state_of: Callable[[Job, int | None], TaskState]) -> None:
        self._reader = reader
        self._state_of = state_of
        self._polled: dict[str, Polled] = {}
        self._reads: ReadCombiner[str, Polled | OstinatoError] = ReadCombiner(self._read)

    def get(self, job_id: str) -> TaskState:
        """Return the job as it is now. Raises NotFound, RecordTooNew."""
        polled = self._reads.get(job_id)
        if isinstance(polled, OstinatoError):
            raise polled
        now = time.monotonic()
        if polled.state is None or now - polled.state_at >= STATE_AGE_S or polled.job.composition is not None:
            polled.state, polled.state_at = self._state_of(polled.job, polled.position), now
        return polled.state

    def _read(self, job_ids: Sequence[str]) -> Mapping[str, Polled | OstinatoError]:
        """Read them all in one round trip, or two where one has come back into the line. Never runs twice at once."""
        now = time.monotonic()
        found, unplaced = self._compare(job_ids, [each for each in job_ids if self._is_due(each, now)], now)
        if unplaced:
            found |= self._compare(unplaced, unplaced, now)[0]
        return found

    def _is_due(self, job_id: str, now: float) -> bool:
        """Return whether its position is to be read: it waits, for all that is known, and was not read of late."""
        polled = self._polled.get(job_id)
        return polled is None or (polled.waits and now - polled.placed_at >= STATE_AGE_S)

    def _compare(
        self, job_ids: Sequence[str], placed: Sequence[str], now: float
    ) -> tuple[dict[str, Polled | OstinatoError], list[str]]:
        """Return the jobs as they are now, and those whose position must be read after all: they changed, and wait."""
        records, queue_positions = self._reader.records(job_ids, placed)
        found: dict[str, Polled | OstinatoError] = {}
        unplaced: list[str] = []
        for job_id, record in zip(job_ids, records, strict=True):
            before = self._polled.pop(job_id, None)
            if before is not None and before.record == record and job_id not in queue_positions:
                found[job_id] = self._polled[job_id] = before
                continue
            try:
                job = before.job if before and before.record == record else job_from(job_id, fields_of(record))
            except OstinatoError as error:  # it is gone, or of a later version
                found[job_id] = error
                continue
            if job_id not in queue_positions and job.status is Status.QUEUED:
                unplaced.append(job_id)
            else:
                found[job_id] = self._polled[job_id] = Polled(
                    record, job, _position(job, queue_positions.get(job_id)), now
                )
        self._forget_oldest()
        return found, unplaced

    def _forget_oldest(self) -> None:
        while len(self._polled) > JOBS_AT_MOST:
            del self._polled[next(iter(self._polled))]


def _position(job: Job, queue_position: QueuePosition | None) -> int | None:
    return queue_position.ahead() if queue_position is not None and job.status is Status.QUEUED else None
