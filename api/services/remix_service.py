"""Mix a piece again from its kept stems: a new piece, whose parts have the results of the earlier one's.

Each part of the new piece is a job on record that is completed with the earlier part's result, so that the stems stay
as long as it does; only the mix is made. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from api.services.acceptor import Draft, JobAcceptor, Submitter
from api.services.multi_instrument_service import MultiInstrumentService, mix_digest
from api.services.submission import NO_FILES, Submission, SubmissionParser
from api.services.task_state import TaskState
from api.services.worker_directory import WorkerDirectory
from api.uploads.upload_store import Blobs
from shared.errors import Conflict, NotFound
from shared.jobs.acceptance import NewJob
from shared.jobs.digests import composition_digest, request_digest
from shared.jobs.job import Job, Result, Status, new_id
from shared.jobs.reader import JobReader
from shared.jobs.snapshot import unknown
from shared.music.mix_spec import MixSpec, Part
from shared.music.remix import NO_PRESET, NOT_WANTED, RemixSpec, own_fields, read_remix


@dataclass(frozen=True)
class _Earlier:
    """Hold the piece that is to be mixed again: the job of its mix, and what that mixes."""

    job: Job
    mix: MixSpec


class RemixService:
    """Mix pieces again; one per process. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(
        self,
        acceptor: JobAcceptor,
        reader: JobReader,
        submission_parser: SubmissionParser,
        workers: WorkerDirectory,
        blobs: Blobs,
        compositions: MultiInstrumentService,
    ) -> None:
        self._acceptor = acceptor
        self._reader = reader
        self._submission_parser = submission_parser
        self._workers = workers
        self._blobs = blobs
        self._compositions = compositions

    def submit(self, task_id: str, fields: Mapping[str, Any], submitter: Submitter) -> TaskState:
        """Mix that piece again, and return the state of the new mix.

        Raises NotFound, Conflict for what is no piece, is not made yet or has lost a stem, InvalidRequest with every
        bad field, and what `JobService.submit` raises.
        """
        earlier = self._find(task_id, submitter)
        spec, found = read_remix(fields, earlier.mix, earlier.job.request)
        mix_id, before = new_id(), self._acceptor.sent_before(submitter)
        asked = {"prompt": _names(earlier.mix), "model": earlier.job.model, "duration": earlier.job.request.duration_s}
        with self._submission_parser.open_uploads(submitter.account) as uploads:
            submission = self._submission_parser.parse(
                {**spec.own, **asked}, NO_FILES, mix_id, uploads, also=found, sent_before=before
            )
        draft = Draft(
            composition_digest(
                ["mix", task_id, dict(spec.changes)], [request_digest(submission.request)], submission.webhook
            ),
            lambda: self._new_jobs(task_id, earlier, spec, submission, mix_id, submitter),
            [submission.choice],
        )
        return self._compositions.accept(draft, submitter)

    def settings(self, task_id: str, account: str, mix_preset: str | None = None) -> tuple[MixSpec, float]:
        """Return how that piece is mixed and its LUFS; with a preset or NO_PRESET, how it would be by that alone.

        Raises NotFound, Conflict for what is no piece.
        """
        earlier = _earlier_of(task_id, self._reader.get(task_id), account)
        if mix_preset is None:
            return earlier.mix, earlier.mix.target_lufs(earlier.job.request.loudness)
        chosen = None if mix_preset == NO_PRESET else mix_preset
        mix = replace(earlier.mix, **{**NOT_WANTED, "mix_preset": chosen})
        return mix, mix.target_lufs(None)

    def _find(self, task_id: str, submitter: Submitter) -> _Earlier:
        """Return the piece. One that is gone is that of the first request under the same Idempotency-Key.

        Raises NotFound, Conflict.
        """
        try:
            job = self._reader.get(task_id)
        except NotFound:
            first = self._acceptor.accepted_before(submitter)
            if first is None or first.composition is None or first.composition.mix_of != task_id:
                raise
            job = first
        return _earlier_of(task_id, job, submitter.account)

    # what is made of it

    def _new_jobs(
        self,
        task_id: str,
        earlier: _Earlier,
        spec: RemixSpec,
        submission: Submission,
        mix_id: str,
        submitter: Submitter,
    ) -> list[NewJob]:
        """Return the parts, which have their results, and last the mix. Raises Conflict."""
        whose = (submitter.account, submitter.source)
        parts, stems, digests = list[NewJob](), list[Part](), list[str]()
        for name, made, result in self._stems(task_id, earlier):
            job = Job(new_id(), made.model, made.request, *whose, part=name, composition_id=mix_id,
                      key_id=submitter.key_id, result_of=made.id)  # fmt: skip
            parts.append(self._acceptor.new_job(job))
            stems.append(Part(name, job.id))
            digests.append(result.sha256)
        composition = spec.mix(earlier.mix, task_id, tuple(stems))
        request = earlier.job.request.model_copy(update=own_fields(submission.request))
        mix = Job(mix_id, earlier.job.model, request, *whose, webhook=submission.webhook, key_id=submitter.key_id,
                  composition=composition)  # fmt: skip
        fingerprint = self._workers.fingerprint(mix.model)
        return [*parts, self._acceptor.new_job(mix, fingerprint, [*digests, mix_digest(composition)])]

    def _stems(self, task_id: str, earlier: _Earlier) -> Iterator[tuple[str, Job, Result]]:
        """Yield each part's name, job and result. Raises Conflict for the first that has none."""
        snapshots = self._reader.snapshots([part.task_id for part in earlier.mix.parts])
        for part, snapshot in zip(earlier.mix.parts, snapshots, strict=True):
            job = snapshot.job if snapshot else None
            result = job.result if job else None
            if job is None or result is None or not self._blobs.is_complete(result):
                raise _lacking(task_id, earlier.job, part, job)
            yield part.name, job, result


def _earlier_of(task_id: str, job: Job, account: str) -> _Earlier:
    """Return the job as a piece of this account. Raises NotFound, Conflict."""
    if job.account != account:
        raise unknown(task_id)
    if job.composition is None:
        instead = f"; it is a part of task {job.composition_id}: mix that one" if job.composition_id else ""
        message = f"task {task_id} is no piece for several instruments, and has no stems to mix{instead}"
        raise Conflict(message, details={"whole": job.composition_id} if job.composition_id else {})
    return _Earlier(job, job.composition)


def _lacking(task_id: str, mix: Job, part: Part, job: Job | None) -> Conflict:
    """Return the refusal of a piece of which that part has no audio: not yet, or not any more."""
    status = "gone" if job is None or job.status is Status.COMPLETED else str(job.status)
    if mix.status.ended:
        what = f'the stem "{part.name}" of task {task_id} is {status}; have the piece made again'
    else:
        what = f'the part "{part.name}" of task {task_id} is not made yet; wait until it has completed'
    return Conflict(what, details={"part": part.name, "task_id": part.task_id, "status": status})


def _names(mix: MixSpec) -> str:
    """Return what stands for the prompt while the request is validated: all prompts together may be too long."""
    return ", ".join(part.name for part in mix.parts)
