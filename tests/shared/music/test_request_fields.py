"""The table of a request's fields, and what follows from it."""

from __future__ import annotations

import pytest

from shared.music.multi_instrument import ALL_FIELDS, EACH_PART, PART_FIELDS
from shared.music.request import FIELDS, MusicRequest, fields_where, left_out, schema_of

FIRST = (
    *("melody", "prompt", "model", "duration", "temperature", "top_k", "top_p", "guidance_scale", "seed"),
    *("output_format", "client_id", "priority", "timeout_s", "ttl_s", "cache"),
)


def test_the_fields_of_the_first_digests_are_those_and_no_others() -> None:
    assert fields_where(lambda spec: spec.first) == FIRST


@pytest.mark.parametrize(
    "name", ["loudness", "title", "continue_from", "continue_seconds", "continue_at", "stream", "tempo_bpm", "key"]
)
def test_a_later_field_has_a_default_that_a_request_without_it_has(name: str) -> None:
    assert name in left_out(MusicRequest(prompt="calm piano", model="tiny"))


def test_what_older_workers_cannot_do_is_in_a_record_that_they_leave_alone() -> None:
    plain = {"prompt": "calm piano", "model": "tiny"}
    schemas = {
        name: schema_of(MusicRequest.model_validate(plain | {name: value}))
        for name, value in (("stream", True), ("loudness", -14), ("tempo_bpm", 94), ("key", "A minor"))
    }
    assert schemas == {"stream": 3, "loudness": 0, "tempo_bpm": 0, "key": 0}


def test_a_piece_and_its_parts_take_the_fields_that_the_table_says() -> None:
    sampling = ("temperature", "top_k", "top_p", "guidance_scale")
    assert set(PART_FIELDS) == {"prompt", "seed", "follow", "melody", "continue_audio", "continue_seconds", *sampling}
    assert set(EACH_PART) == {"model", "duration", "priority", "cache", *sampling}
    going_on = {"continue_from", "continue_seconds", "continue_at", "continue_audio"}
    alone = {"prompt", "stream", "melody", "variations", *going_on}
    of_the_mix = {"instruments", "mix_preset", "levels", "panning", "effects"}
    assert set(ALL_FIELDS) == set(FIELDS) - alone | of_the_mix


def test_a_batch_takes_all_but_variations() -> None:
    assert fields_where(lambda spec: bool(spec.batch_refusal)) == ("variations",)
