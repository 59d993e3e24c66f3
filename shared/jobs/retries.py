"""Run failed jobs again, for an operator: each as a copy of its request, under the same seed.

The job itself has ended and stays so: its webhook is sent, its batch is told. The copy is its account's as any job is,
owes a webhook of its own, and counts in what may run at once, but not in what the account may submit: the account asks
for nothing. The two name each other, and only one such copy is made unless it fails too (lua/includes/acceptance.lua).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from shared.errors import Conflict, NotFound
from shared.jobs.acceptance import NewJob, SubmitContext, copy_of
from shared.jobs.job import Job, expect_repeatable
from shared.jobs.store import JobStore


class Retries:
    """Run jobs again. Raises BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, store: JobStore, is_kept: Callable[[str], bool]) -> None:
        """`is_kept` tells whether the blob of that key is there."""
        self._store = store
        self._is_kept = is_kept

    def retry(self, job_id: str) -> Job:
        """Accept the copy, and return it; a dead letter is none any more.

        Raises NotFound, QueueFull, and Conflict for a job that did not fail or has run again, whose recordings are
        gone, or that belongs to a piece: alone it would be something else.
        """
        job = self._store.reader.get(job_id)
        _expect_standalone(job)
        self._expect_recordings(job)
        again = replace(copy_of(job, key_id=job.key_id), retry_of=job.id)
        accepted = self._store.accept([NewJob.of(again, None, None)], SubmitContext(job.account, job.source))
        return self._store.reader.get(accepted.id)

    def _expect_recordings(self, job: Job) -> None:
        """Raise Conflict that names what the request takes and is no more."""
        melody = job.request.melody
        taken = {"melody": melody.key if melody else "", "beginning": self._beginning_of(job)}
        if gone := [name for name, key in taken.items() if key and not self._is_kept(key)]:
            words = f"the {' and the '.join(gone)} of task {job.id} is kept no longer"
            details = {"task_id": job.id, "gone": gone}
            raise Conflict(f"{words}; submit it again with the recording", details=details)

    def _beginning_of(self, job: Job) -> str:
        """Return the key of the audio that it goes on from; "" where the script judges the task that was to make it."""
        beginning = job.request.continue_from
        if beginning is None or beginning.key or beginning.task is None:
            return beginning.key if beginning else ""
        with suppress(NotFound):
            if result := self._store.reader.get(beginning.task).result:
                return result.key
        return ""


def _expect_standalone(job: Job) -> None:
    expect_repeatable(job)
    if job.composition_id is not None:
        message = f"task {job.id} is a part of a piece, which ended with it; submit the whole piece again"
        raise Conflict(message, details={"whole": job.composition_id})
