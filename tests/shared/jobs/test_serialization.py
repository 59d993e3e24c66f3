"""A job's record: what older processes read of it, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared.jobs.job import Job
from shared.jobs.serialization import from_fields, to_fields
from shared.music.request import MusicRequest

STORED = {"status": "queued", "stage": "queued", "created_ms": "0"}  # by the script that accepts it
KNOWN = {  # to a process from before tempo_bpm and key, which refuses a record with any other field
    *("continue_from", "continue_seconds", "melody", "prompt", "model", "duration", "temperature", "top_k", "top_p"),
    *("guidance_scale", "seed", "output_format", "loudness", "stream", "title", "client_id", "priority"),
    *("timeout_s", "ttl_s", "cache"),
}


def test_an_older_worker_reads_the_prompt_with_tempo_and_key_and_no_field_that_it_does_not_know(
    request_for: Callable[..., MusicRequest],
) -> None:
    fields = to_fields(Job("j", "tiny", request_for(seed=7, tempo_bpm=94, key="A minor")))
    stored = json.loads(fields["request"])
    assert stored["prompt"] == "calm piano in A minor, at 94 bpm"
    assert stored.keys() <= KNOWN
    assert fields["schema"] == "2"


def test_a_request_comes_back_from_its_record_as_it_was(request_for: Callable[..., MusicRequest]) -> None:
    for changes in ({}, {"tempo_bpm": 94}, {"key": "A minor", "loudness": -14}, {"stream": True, "key": "Bb major"}):
        job = Job("j", "tiny", request_for(seed=7, **changes))
        assert from_fields("j", to_fields(job) | STORED).request == job.request


@pytest.mark.parametrize(("output_format", "schema"), [("wav", "2"), ("opus", "2"), ("m4a", "4"), ("aac", "4")])
def test_a_format_that_older_workers_cannot_write_is_left_alone_by_them(
    request_for: Callable[..., MusicRequest], output_format: str, schema: str
) -> None:
    assert to_fields(Job("j", "tiny", request_for(seed=7, output_format=output_format)))["schema"] == schema


def test_a_later_versions_further_field_beside_the_request_is_passed_over(
    request_for: Callable[..., MusicRequest],
) -> None:
    request = request_for(seed=7, key="A minor")
    fields = to_fields(Job("j", "tiny", request)) | STORED
    fields["resolved"] = json.dumps(json.loads(fields["resolved"]) | {"swing": 0.5})
    assert from_fields("j", fields).request == request


def test_the_record_of_a_plain_request_is_what_it_always_was(request_for: Callable[..., MusicRequest]) -> None:
    fields = to_fields(Job("j", "tiny", request_for(seed=7)))
    assert fields["request"] == (
        '{"prompt":"calm piano","model":"tiny","duration":8.0,"temperature":1.0,"top_k":250,"top_p":0.0,'
        '"guidance_scale":3.0,"seed":7,"output_format":"wav","priority":"normal","cache":true}'
    )
    assert "resolved" not in fields
