"""Write a job as the flat fields of its Redis hash, and read it back. Owns the record's shape and schema number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from shared.errors import RecordTooNew
from shared.jobs.job import COMPOSED_SCHEMA, SCHEMA, Job, JobError, Result, Stage, Status
from shared.jobs.search_text import search_text
from shared.music.mix_spec import MixSpec
from shared.music.request import RESOLVED, MusicRequest, left_out, resolved_fields, schema_of


def to_fields(job: Job) -> dict[str, str]:
    """Return what submit writes; status, times and the arrival number are set by the script itself.

    What the scripts decide by stands in fields of its own, beside the request that holds it too.
    """
    request = job.request
    fields = {
        "schema": str(_schema_of(job)),
        "model": job.model,
        "account": job.account,
        "source": job.source,
        # without what a version before it does not know, unless it is asked for: that can then read the record
        "request": request.model_dump_json(exclude_none=True, exclude=left_out(request) | RESOLVED),
        "priority": request.priority,
        "audio_ms": str(round(request.made_s * 1000)),
        "search": search_text(request.title, request.prompt),
    }
    if resolved := resolved_fields(request):
        fields["resolved"] = json.dumps(resolved)
    if request.timeout_s is not None:
        fields["timeout_ms"] = str(round(request.timeout_s * 1000))
    fields |= _recordings(request)
    if job.webhook is not None:
        fields["webhook"] = job.webhook
    if job.batch is not None:
        fields["batch"] = job.batch
    if job.after:
        fields["after"] = " ".join(job.after)
    optional = {"melody_of": job.melody_of, "part": job.part, "whole": job.composition_id, "key_id": job.key_id}
    optional |= {"result_of": job.result_of, "retry_of": job.retry_of}
    fields |= {name: value for name, value in optional.items() if value is not None}
    if job.composition is not None:
        fields["composition"] = job.composition.as_json()
        fields["audio_ms"] = "0"  # it needs no slot: nobody waits for its music
    return fields


def _recordings(request: MusicRequest) -> dict[str, str]:
    """Return which blobs the request needs, for the scripts to keep them until it ends."""
    fields = {"upload": request.melody.key} if request.melody is not None else {}
    if (beginning := request.continue_from) is not None:
        fields["beginning"] = json.dumps([key for key in (beginning.key, beginning.codes) if key])
        if beginning.task is not None and not beginning.key:
            fields["continues"] = beginning.task  # its blobs are named when it has completed (dependencies.lua)
    return fields


def _schema_of(job: Job) -> int:
    """Return the schema that a reader must know. Older workers leave a later one's jobs alone, which they cannot do."""
    composed = any((job.after, job.composition, job.melody_of))
    return max(job.schema, schema_of(job.request), COMPOSED_SCHEMA if composed else 0)


def from_fields(job_id: str, fields: Mapping[str, str]) -> Job:
    """Return the job of a record. Raises RecordTooNew."""
    schema = int(fields["schema"])
    if schema > SCHEMA:
        raise RecordTooNew(f"task {job_id} has schema {schema}, this process knows {SCHEMA}; upgrade it")
    result, error = fields.get("result"), fields.get("error")
    return Job(
        id=job_id,
        schema=schema,
        model=fields["model"],
        account=fields["account"],
        source=fields["source"],
        request=_read_request(fields["request"], fields.get("resolved")),
        status=Status(fields["status"]),
        stage=Stage(fields["stage"]),
        step=int(fields.get("step", 0)),
        steps=int(fields.get("steps", 0)),
        attempt=int(fields.get("attempt", 0)),
        failures=int(fields.get("failures", 0)),
        worker=fields.get("worker"),
        created_at=int(fields["created_ms"]) / 1000,
        started_at=_seconds(fields.get("started_ms")),
        finished_at=_seconds(fields.get("finished_ms")),
        result=Result.from_dict(json.loads(result)) if result else None,
        error=JobError(**json.loads(error)) if error else None,
        webhook=fields.get("webhook"),
        batch=fields.get("batch"),
        primary_id=fields.get("leader"),
        isolation=fields.get("mark", ""),
        after=tuple(fields.get("after", "").split()),
        melody_of=fields.get("melody_of"),
        part=fields.get("part"),
        composition_id=fields.get("whole"),
        key_id=fields.get("key_id"),
        edited_title=fields.get("title"),
        favourite="favourite" in fields,
        composition=MixSpec.from_json(fields["composition"]) if "composition" in fields else None,
        result_of=fields.get("result_of"),
        retry_of=fields.get("retry_of"),
        retried_as=fields.get("retried_as"),
    )


@lru_cache(maxsize=1024)
def _read_request(text: str, resolved: str | None) -> MusicRequest:
    """Read a request, with what stands beside it. Kept, as requests are frozen and a job's is read at every poll."""
    if resolved is None:
        return MusicRequest.model_validate_json(text)
    known = {name: value for name, value in json.loads(resolved).items() if name in RESOLVED}
    return MusicRequest.model_validate_json(json.dumps(json.loads(text) | known))


def _seconds(milliseconds: str | None) -> float | None:
    return None if milliseconds is None else int(milliseconds) / 1000
