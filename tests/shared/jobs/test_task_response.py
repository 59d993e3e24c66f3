from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from shared.jobs.job import Fingerprint, Job, JobError, Result, Stage, Status
from shared.jobs.response_schemas import ClipResult, TaskResponse
from shared.jobs.task_response import add_parts, part_response, task_response
from shared.music.audio_refs import BeginningRef, MelodyRef
from shared.music.mix_spec import MixSpec, Part
from shared.music.request import MusicRequest

RESPONSE = TypeAdapter(TaskResponse)
RESULT = Result(
    "results/id/1.wav", "audio/wav", 9, "sha", 2.0, 32_000, 1, 1.5, Fingerprint("c", "e", "fp32", "cpu"), ("quiet",)
)
MIX = MixSpec((Part("piano", "part-1"), Part("bass", "part-2")), 94, "A minor")
MELODY = MelodyRef(key="m", seconds=3.14159, sha256="sha", warnings=("it is quiet",))
BEGINNING = BeginningRef(key="b", seconds=1.5, sha256="sha", heard_s=2.71828, warnings=("it is short",))


@pytest.fixture
def queued(request_for: Callable[..., MusicRequest]) -> Job:
    return Job("id", "tiny", request_for(seed=1), created_at=100.0)


@pytest.fixture
def completed(queued: Job) -> Job:
    return replace(queued, status=Status.COMPLETED, steps=50, started_at=101.0, finished_at=103.0, result=RESULT)


def with_uploads(job: Job) -> Job:
    return replace(job, request=job.request.model_copy(update={"melody": MELODY, "continue_from": BEGINNING}))


def test_the_response_has_the_described_fields_and_no_others_however_the_job_stands(
    queued: Job, completed: Job
) -> None:
    running = replace(queued, status=Status.RUNNING, stage=Stage.RUNNING, step=5, steps=50, started_at=101.0)
    failed = replace(queued, status=Status.FAILED, error=JobError("CODE", "why", {"more": 1}), finished_at=102.0)
    cancelled = replace(queued, status=Status.CANCELLED, finished_at=102.0)
    in_batch = replace(queued, batch="batch-1")
    part = replace(queued, part="piano", composition_id="whole-1")
    for job in (queued, running, completed, failed, cancelled, in_batch, part):
        for each in (job, with_uploads(job)):
            RESPONSE.validate_python(task_response(each, 104.0, position=1), strict=True)


def test_a_mix_lists_its_parts_in_order_and_links_those_that_have_audio(queued: Job, completed: Job) -> None:
    mix = replace(completed, composition=MIX)
    parts = [part_response("piano", "part-1", completed, "/link"), part_response("bass", "part-2", None, None)]
    response = add_parts(task_response(mix, 104.0), mix, parts)
    RESPONSE.validate_python(response, strict=True)
    assert [(part["name"], part["status"]) for part in response["parts"]] == [("piano", "completed"), ("bass", "gone")]
    assert dict(response["result"])["stems"] == {"piano": "/link"}
    assert "result" not in add_parts(task_response(queued, 104.0), mix, parts)


def test_the_seconds_and_oddities_of_uploads_are_in_every_response(queued: Job, completed: Job) -> None:
    first, last = task_response(with_uploads(queued), 104.0), task_response(with_uploads(completed), 104.0)
    odd = ["melody: it is quiet", "continue_audio: it is short"]
    assert (first["melody_seconds"], first["beginning_seconds"], first["continued_seconds"]) == (3.142, 2.718, 1.5)
    assert (first["continue_from"], first["warnings"]) == (None, odd)
    assert last["warnings"] == last["result"]["warnings"] == [*odd, "quiet"]


def test_every_field_of_the_result_stands_in_the_task_too(completed: Job) -> None:
    response = task_response(with_uploads(completed), 104.0)
    assert set(response["result"]) == set(ClipResult.__annotations__)
    assert {name: value for name, value in response.items() if name in response["result"]} == response["result"]


def test_the_response_tells_by_which_fields_the_same_is_made_again(
    queued: Job, request_for: Callable[..., MusicRequest]
) -> None:
    assert task_response(queued, 104.0)["request"] == {"prompt": "calm piano", "model": "tiny", "seed": 1}
    asked = {
        "prompt": "slow",
        "seed": 3,
        "duration": 4.0,
        "top_k": 9,
        "loudness": -14.0,
        "title": "A",
        "key": "D minor",
    }
    job = replace(queued, request=request_for(**asked, client_id="mine", priority="high"))
    told = task_response(job, 104.0)["request"]
    again = request_for(**told)
    assert again == job.request.model_copy(update={"key": None, "client_id": None, "priority": "normal"})


def test_what_it_goes_on_from_is_named_where_it_is_a_task_and_recordings_are_not(queued: Job) -> None:
    assert not {"melody", "continue_from", "continue_audio"} & set(
        task_response(with_uploads(queued), 104.0)["request"]
    )
    beginning = BeginningRef(key="b", seconds=1.5, sha256="sha", task="earlier")
    job = replace(queued, request=queued.request.model_copy(update={"continue_from": beginning, "continue_seconds": 2}))
    told = task_response(job, 104.0)["request"]
    assert (told["continue_from"], told["continue_seconds"]) == ("earlier", 2)
