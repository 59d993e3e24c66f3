"""Submit, read and cancel batches: many requests accepted in one step, all of them or none.

Each becomes a job like any other. Knows no HTTP; what one request must be is the intake's, the step itself the store's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from api.services.acceptor import Draft, JobAcceptor, Submitter
from api.services.batch_request import expect_seeds_in_range, in_item, read_variations, unbatchable
from api.services.submission import NO_FILES, Files, Submission, SubmissionParser
from api.services.task_state import BatchState, Item, TaskStates
from api.services.worker_directory import WorkerDirectory
from api.uploads.decoded_uploads import DecodedUploads
from shared.errors import InvalidRequest, NotFound
from shared.errors.field_errors import Faults
from shared.jobs.acceptance import draw_seed
from shared.jobs.batch_store import Batch, BatchStore
from shared.jobs.digests import batch_digest, request_digest
from shared.jobs.job import new_id


class BatchService:
    """Serve batches; one per process. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(
        self,
        acceptor: JobAcceptor,
        batch_store: BatchStore,
        submission_parser: SubmissionParser,
        workers: WorkerDirectory,
    ) -> None:
        self._acceptor = acceptor
        self._batch_store = batch_store
        self._submission_parser = submission_parser
        self._task_states = TaskStates(workers)

    def submit(self, requests: Sequence[Mapping[str, Any]], submitter: Submitter) -> BatchState:
        """Validate all of the requests, then accept all of them.

        Raises InvalidRequest with every bad field of every request, named like requests[3].prompt, and what
        `JobService.submit` raises. Nothing is queued then.
        """
        with self._submission_parser.open_uploads(submitter.account) as uploads:
            submissions = self._parse(requests, submitter, uploads)
            digest = batch_digest([request_digest(each.request, each.webhook) for each in submissions])
            return self._accept(new_id(), submissions, digest, submitter, uploads)

    def _parse(
        self, requests: Sequence[Mapping[str, Any]], submitter: Submitter, uploads: DecodedUploads
    ) -> list[Submission]:
        submissions, faults = [], Faults()
        for index, fields in enumerate(requests):
            plain, alone = unbatchable(fields)
            before = self._acceptor.sent_before(submitter, index)
            try:
                submissions.append(
                    self._submission_parser.parse(plain, NO_FILES, new_id(), uploads, also=alone, sent_before=before)
                )
            except InvalidRequest as error:
                faults.add(in_item(index, error.errors), error.more)
        if faults:
            raise InvalidRequest(faults.listed, faults.more)
        return submissions

    def vary(self, fields: Mapping[str, Any], submitter: Submitter, files: Files = NO_FILES) -> BatchState:
        """Submit a request `variations` times, under consecutive seeds from its own, or from one drawn here.

        Raises as `submit`.
        """
        count, plain, faults = read_variations(fields)
        batch_id = new_id()
        before = self._acceptor.sent_before(submitter)
        with self._submission_parser.open_uploads(submitter.account) as uploads:
            asked = self._submission_parser.parse(plain, files, batch_id, uploads, also=faults, sent_before=before)
            expect_seeds_in_range(asked.request, count)
            digest = batch_digest([request_digest(asked.request, asked.webhook), str(count)])
            first = draw_seed() if asked.request.seed is None else asked.request.seed
            seeded = [asked.request.model_copy(update={"seed": first + n}) for n in range(count)]
            submissions = [replace(asked, request=request) for request in seeded]
            return self._accept(batch_id, submissions, digest, submitter, uploads)

    def get(self, batch_id: str, account: str = "local") -> BatchState:
        """Raises NotFound, also for another account's batch."""
        batch = self._batch_store.get(batch_id)
        if batch.account != account:
            raise NotFound(f"no batch {batch_id!r}; it never existed or its retention time is over")
        return self._state(batch)

    def cancel(self, batch_id: str, account: str = "local") -> BatchState:
        """End all of its jobs that have not ended: none may be left. Raises NotFound."""
        self.get(batch_id, account)
        return self._state(self._batch_store.cancel(batch_id))

    def _accept(
        self,
        batch_id: str,
        submissions: Sequence[Submission],
        digest: str,
        submitter: Submitter,
        uploads: DecodedUploads,
    ) -> BatchState:
        draft = Draft(
            digest,
            lambda: [self._acceptor.job_of(each, new_id(), submitter, batch_id) for each in submissions],
            [each.choice for each in submissions],
            count=len(submissions),
            uploads=uploads,
            batch_id=batch_id,
        )
        accepted = self._acceptor.accept(draft, submitter)
        return replace(self._state(self._acceptor.batch(accepted)), replayed=accepted.replayed)

    def _state(self, batch: Batch) -> BatchState:
        items = tuple(
            Item(m.job_id, m.status, self._task_states.of(m.snapshot.job, m.snapshot.position) if m.snapshot else None)
            for m in batch.members
        )
        return BatchState(batch, items)
