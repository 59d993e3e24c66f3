"""Submit and read multi-instrument pieces: a job for each instrument, and the job that mixes them.

The mix is the composition for whoever asks: its id, its webhook, its time limits and its end are the whole's. All of it
is accepted in one step, or nothing. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from api.services.acceptor import Draft, JobAcceptor, Submitter
from api.services.continuation import SentBefore
from api.services.submission import NO_FILES, Submission, SubmissionParser
from api.services.task_state import PartState, TaskState, TaskStates
from api.services.worker_directory import WorkerDirectory
from api.uploads.decoded_uploads import DecodedUploads
from mixing import VERSION as MIXER_VERSION
from shared.errors import FieldError, InvalidRequest
from shared.errors.field_errors import Faults
from shared.jobs.acceptance import NewJob, draw_seed
from shared.jobs.digests import composition_digest, request_digest
from shared.jobs.job import Job, new_id
from shared.jobs.reader import JobReader
from shared.music.mix_spec import MixSpec, Part
from shared.music.multi_instrument import (
    MultiInstrumentSpec,
    faults_of,
    lead_part_index,
    part_prompt,
    read_multi_instrument,
    seed_of,
)
from shared.music.request import MusicRequest
from shared.music.tempo_and_key import TempoAndKey, choose_tempo_and_key


@dataclass(frozen=True)
class _Received:
    """Hold what a body asks for, the faults found so far, and what else its parsing needs."""

    spec: MultiInstrumentSpec
    found: Sequence[FieldError]
    mix_id: str
    uploads: DecodedUploads
    sent_before: SentBefore


class MultiInstrumentService:
    """Serve pieces; one per process. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(
        self, acceptor: JobAcceptor, reader: JobReader, submission_parser: SubmissionParser, workers: WorkerDirectory
    ) -> None:
        self._acceptor = acceptor
        self._reader = reader
        self._submission_parser = submission_parser
        self._workers = workers
        self._task_states = TaskStates(workers)

    def submit(self, fields: Mapping[str, Any], submitter: Submitter) -> TaskState:
        """Validate all of it, then accept all of it, and return the state of the mix.

        Raises InvalidRequest with every bad field, and what `JobService.submit` raises.
        """
        spec, found = read_multi_instrument(fields)
        mix_id, before = new_id(), self._acceptor.sent_before(submitter)
        with self._submission_parser.open_uploads(submitter.account) as uploads:
            mix, parts = self._parse(_Received(spec, found, mix_id, uploads, before))
            draft = Draft(
                self._digest(spec, mix, parts),
                lambda: self._new_jobs(spec, mix, parts, mix_id, submitter),
                [mix.choice],
                count=len(parts),
                uploads=uploads,
            )
            return self.accept(draft, submitter)

    def accept(self, draft: Draft, submitter: Submitter) -> TaskState:
        """Accept a piece and return the state of its mix. Raises what `JobAcceptor.accept` raises."""
        accepted = self._acceptor.accept(draft, submitter)
        snapshot = self._acceptor.snapshot(accepted)
        return replace(self.state(snapshot.job, snapshot.position), replayed=accepted.replayed)

    def state(self, job: Job, position: int | None = None) -> TaskState:
        """Return the job as it stands, with its parts when it is a mix."""
        state = self._task_states.of(job, position)
        if job.composition is None:
            return state
        snapshots = self._reader.snapshots([part.task_id for part in job.composition.parts])
        parts = tuple(
            PartState(
                part.name, part.task_id, self._task_states.of(snapshot.job, snapshot.position) if snapshot else None
            )
            for part, snapshot in zip(job.composition.parts, snapshots, strict=True)
        )
        return self._task_states.with_parts(state, parts)

    # what is asked for

    def _parse(self, received: _Received) -> tuple[Submission, list[Submission]]:
        """Return the mix and its parts. Raises InvalidRequest."""
        mix, faults = self._parse_mix(received)
        reported = {fault.field for fault in faults.listed}
        parts: list[Submission] = []
        for each in received.spec.instruments:
            fields = received.spec.request_fields(each) | ({} if mix is None else {"model": mix.model})
            try:
                parts.append(self._submission_parser.parse(fields, NO_FILES, new_id(), received.uploads))
            except InvalidRequest as error:
                faults.add(faults_of(each, error.errors, reported))
        if faults or mix is None:
            raise InvalidRequest(faults.listed, faults.more)
        return mix, parts

    def _parse_mix(self, received: _Received) -> tuple[Submission | None, Faults]:
        """Parse the mix.

        Its prompt is the instruments' names alone: all prompts together may be longer than one may be. Its model is
        that of all parts, so one with a melody has all of them made by a model that hears such.
        """
        spec = received.spec
        names = ", ".join(each.name for each in spec.instruments) or "a piece for several instruments"
        melody = any("melody" in each.own for each in spec.instruments)
        try:
            submission = self._submission_parser.parse(
                {**spec.common, "prompt": names},
                NO_FILES,
                received.mix_id,
                received.uploads,
                also=received.found,
                sent_before=received.sent_before,
                melody=melody,
            )
        except InvalidRequest as error:
            return None, Faults(error.errors, error.more)
        return submission, Faults()

    def _digest(self, spec: MultiInstrumentSpec, mix: Submission, parts: Sequence[Submission]) -> str:
        """Digest what was asked for, not what is drawn for it."""
        asked = asdict(replace(spec, instruments=(), common={}))
        names = [[each.name, each.conditioned] for each in spec.instruments]
        digests = [request_digest(each.request) for each in (*parts, mix)]
        return composition_digest([asked, names], digests, mix.webhook)

    # what is made of it

    def _new_jobs(
        self, spec: MultiInstrumentSpec, mix: Submission, parts: Sequence[Submission], mix_id: str, submitter: Submitter
    ) -> list[NewJob]:
        """Return the parts, the lead part before those conditioned on it, and last the mix.

        Music that nobody gave a seed for is nobody else's.
        """
        fingerprint = self._workers.fingerprint(mix.model) if mix.request.seed is not None else None
        seed = draw_seed() if mix.request.seed is None else mix.request.seed
        tempo_and_key = choose_tempo_and_key([part.request.prompt for part in parts], spec.tempo_bpm, spec.key, seed)
        names = [each.name for each in spec.instruments]
        first = lead_part_index(spec.instruments)
        ids, new_jobs = [new_id() for _ in parts], dict[int, NewJob]()
        whose = Job("", mix.model, mix.request, submitter.account, submitter.source, key_id=submitter.key_id)
        for n in sorted(range(len(parts)), key=lambda n: n != first):
            request = _settled(names[n], parts[n].request, mix.request, tempo_and_key, seed)
            job = replace(whose, id=ids[n], request=request, part=names[n], composition_id=mix_id)
            made_from: list[str] = []
            if mix.choice.model.melody and n != first and spec.instruments[n].conditioned:
                job = replace(job, after=(ids[first],), melody_of=ids[first])
                made_from = [new_jobs[first].cache_key]
            new_jobs[n] = self._acceptor.new_job(job, fingerprint, made_from)
        prompts = "; ".join(f"{name}: {part.request.prompt}" for name, part in zip(names, parts, strict=True))
        request = mix.request.model_copy(update={"prompt": prompts, "seed": seed})
        composition = _composition(spec, tempo_and_key, ids)
        job = replace(whose, id=mix_id, request=request, webhook=mix.webhook, after=tuple(ids), composition=composition)
        made_from = [*(new_jobs[n].cache_key for n in range(len(parts))), mix_digest(composition)]
        return [*new_jobs.values(), self._acceptor.new_job(job, fingerprint, made_from)]


def _settled(name: str, part: MusicRequest, mix: MusicRequest, tempo_and_key: TempoAndKey, seed: int) -> MusicRequest:
    """Return the request of one part, with all that the piece decides. Its stem loses nothing that the mix may need."""
    return part.model_copy(
        update={
            "prompt": part_prompt(part.prompt, name, tempo_and_key),
            "seed": seed_of(name, seed) if part.seed is None else part.seed,
            "output_format": "wav" if mix.output_format == "wav" else "flac",
            "title": f"{mix.title} - {name}"[:200] if mix.title else None,
        }
    )


def mix_digest(composition: MixSpec) -> str:
    """Return the digest of what decides how stems are mixed."""
    return composition_digest([MIXER_VERSION, composition.as_mixed()], [], None)


def _composition(spec: MultiInstrumentSpec, tempo_and_key: TempoAndKey, ids: Sequence[str]) -> MixSpec:
    return MixSpec(
        tuple(Part(each.name, part_id) for each, part_id in zip(spec.instruments, ids, strict=True)),
        tempo_and_key.tempo_bpm,
        tempo_and_key.key,
        spec.mix_preset,
        spec.levels,
        spec.panning,
        spec.effects,
    )
