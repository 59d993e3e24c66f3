from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import FieldError, InvalidRequest
from shared.music.audio_refs import BeginningRef, MelodyRef
from shared.music.parse_request import parse_request
from shared.music.request import ATTRIBUTES, MAX_SEED, MusicRequest
from shared.music.request_limits import Limits
from shared.music.tempo_and_key import put_in, read_key, read_tempo, take_out

LIMITS = Limits(30.0, 16, 400, lambda prompt: len(prompt.split()))
MELODY = MelodyRef(key="uploads/x/melody.flac", seconds=2.0, sha256="0" * 64)


def parse(**fields: Any) -> MusicRequest:
    return parse_request({"prompt": "calm piano", "model": "tiny"} | fields, LIMITS)


def errors_of(**fields: Any) -> dict[str, FieldError]:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    return {error.field: error for error in caught.value.errors}


def test_a_bare_prompt_gets_the_documented_defaults() -> None:
    request = parse()
    assert (request.duration_s, request.temperature, request.top_k, request.top_p) == (8.0, 1.0, 250, 0.0)
    assert (request.guidance_scale, request.output_format, request.seed) == (3.0, "wav", None)


def test_numbers_of_a_form_come_as_text_and_are_read() -> None:
    request = parse(duration="2.5", top_k="50", seed="7", output_format="MP3")
    assert (request.duration_s, request.top_k, request.seed, request.output_format) == (2.5, 50, 7, "mp3")


def test_temperature_zero_and_guidance_zero_are_legal() -> None:
    assert parse(temperature=0, guidance_scale=0).temperature == 0


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t", 5, None, ["a"], {"a": 1}, True])
def test_an_empty_or_non_text_prompt_is_named_with_its_remedy(prompt: Any) -> None:
    error = errors_of(prompt=prompt)["prompt"]
    assert error.code == "INVALID_PROMPT"
    assert "Send text that says what to hear" in error.message


def test_a_blank_prompt_is_allowed_beside_a_melody() -> None:
    assert parse(prompt=" ", melody=MELODY).prompt == ""


def test_an_over_long_prompt_is_refused_in_tokens_and_says_how_many() -> None:
    assert parse(prompt="la " * 16).prompt
    assert "has 17 tokens; at most 16" in errors_of(prompt="la " * 17)["prompt"].message


def test_an_over_long_prompt_is_refused_in_characters_before_it_is_tokenized() -> None:
    assert "401 characters" in errors_of(prompt="x" * 401)["prompt"].message


@pytest.mark.parametrize("duration", [0, -1, 0.49, 30.01, math.nan, math.inf, "abc", "", None, [8], True, 10**400])
def test_a_bad_duration_is_refused_with_its_value(duration: Any) -> None:
    error = errors_of(duration=duration)["duration"]
    assert error.value
    assert "Send seconds of music" in error.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 1.01),
        ("guidance_scale", 21),
        ("seed", -1),
        ("seed", MAX_SEED + 1),
        ("output_format", "exe"),
        ("output_format", 3),
        ("loudness", -41),
        ("loudness", -5.9),
        ("loudness", "loud"),
        ("title", "x" * 201),
        ("title", "a\x00b"),
        ("client_id", "x" * 201),
        ("client_id", 12),
        ("tempo_bpm", 39),
        ("tempo_bpm", 241),
        ("tempo_bpm", 94.5),
        ("tempo_bpm", "fast"),
        ("tempo_bpm", True),
        ("key", "H major"),
        ("key", "A"),
        ("key", ""),
        ("key", 5),
    ],
)
def test_a_value_out_of_range_names_the_field_the_value_and_the_remedy(field: str, value: Any) -> None:
    error = errors_of(**{field: value})[field]
    assert repr(value)[:40] in error.message
    assert "Send " in error.message


def test_all_bad_fields_are_reported_together() -> None:
    assert set(errors_of(prompt="", duration="abc", top_k=-1, seed="x", colour="red")) == {
        "prompt",
        "duration",
        "top_k",
        "seed",
        "colour",
    }


def test_errors_found_elsewhere_are_reported_with_the_others() -> None:
    melody = FieldError("melody", "is silent", code="INVALID_MELODY")
    with pytest.raises(InvalidRequest) as caught:
        parse_request({"prompt": "", "model": "tiny"}, LIMITS, also=(melody,))
    assert {error.field for error in caught.value.errors} == {"melody", "prompt"}
    assert caught.value.code == "INVALID_REQUEST"


BEGINNING = BeginningRef(key="k", seconds=5.0, sha256="0")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, None),  # 8 s
        ({"duration": 5.5}, None),
        ({"duration": 5.4}, "counts the 5 s of continue_from too; send 5.5 or more, or continue_seconds .* less"),
        ({"continue_from": BEGINNING.model_copy(update={"seconds": 7.6})}, "send 8.1 or more"),
        ({"continue_from": BEGINNING.model_copy(update={"seconds": 60})}, "send continue_seconds of at most 29.5"),
    ],
)
def test_a_beginning_counts_and_must_leave_something_to_make(fields: dict[str, Any], words: str | None) -> None:
    asked = {"prompt": "", "model": "tiny", "continue_from": BEGINNING} | fields
    if words is None:
        assert parse_request(asked, LIMITS).made_s >= 0.5
        return
    with pytest.raises(InvalidRequest, match=words) as caught:
        parse_request(asked, LIMITS)
    assert [error.field for error in caught.value.errors] == ["duration"]


def test_seconds_of_no_beginning_are_refused_by_name() -> None:
    assert "send that too, or leave this out" in errors_of(continue_seconds=3)["continue_seconds"].message
    assert errors_of(continue_from=BEGINNING, continue_seconds=0.1).keys() == {"continue_seconds"}


def test_the_internal_name_of_a_field_is_not_a_public_one() -> None:
    assert errors_of(duration_s=5)["duration_s"].code == "UNKNOWN_FIELD"


def test_a_request_survives_its_record() -> None:
    request = parse(melody=MELODY, seed=3, client_id="mine")
    assert MusicRequest.model_validate_json(request.model_dump_json()) == request


ANYTHING = st.none() | st.booleans() | st.text() | st.floats() | st.integers() | st.lists(st.none())


@given(st.dictionaries(st.text(max_size=12) | st.sampled_from(sorted(ATTRIBUTES)), ANYTHING, max_size=19))
def test_whatever_is_sent_is_accepted_or_refused_by_name(fields: dict[str, Any]) -> None:
    """An accepted request can be stored; a refused one names every field that it does not know."""
    unknown = set(fields) - set(ATTRIBUTES)
    try:
        request = parse_request({"model": "tiny"} | fields, LIMITS)
    except InvalidRequest as refusal:
        named = {error.field for error in refusal.errors}
    else:
        named = set(MusicRequest.model_validate_json(request.model_dump_json()).model_fields_set) & unknown
    assert unknown == named & unknown


def test_a_stream_is_a_plain_yes_and_does_not_go_with_a_loudness() -> None:
    assert [parse(stream=value).stream for value in (True, "true", False)] == [True, True, False]
    assert not parse().stream
    refused = errors_of(stream=True, loudness=-14)
    assert refused.keys() == {"stream"}
    assert "leave one out" in refused["stream"].message
    assert parse(stream=False, loudness=-14).loudness == -14
    assert "true to hear it while it is made" in errors_of(stream="perhaps")["stream"].message


def test_loudness_and_title_are_read_and_a_blank_title_is_none() -> None:
    request = parse(loudness="-14.5", title="  Night ")
    assert (request.loudness, request.title, parse(title=" ").title) == (-14.5, "Night", None)


@pytest.mark.parametrize(
    ("fields", "text", "warnings"),
    [
        ({"tempo_bpm": 94, "key": "a minor"}, "calm piano in A minor, at 94 bpm", 0),
        ({"tempo_bpm": "94"}, "calm piano, at 94 bpm", 0),
        ({"key": "Bb major"}, "calm piano in Bb major", 0),
        ({"prompt": "waltz in C major.", "key": "A minor", "tempo_bpm": 94}, "waltz in C major, at 94 bpm", 1),
        ({"prompt": "techno, 140 bpm", "tempo_bpm": 94, "key": "D minor"}, "techno, 140 bpm in D minor", 1),
        ({"prompt": "in D minor at 90 bpm.", "tempo_bpm": 90, "key": "D minor"}, "in D minor at 90 bpm.", 0),
        ({"prompt": " ", "melody": MELODY, "tempo_bpm": 94}, "at 94 bpm", 0),
        ({"prompt": "", "melody": MELODY, "tempo_bpm": 94, "key": "A minor"}, "in A minor, at 94 bpm", 0),
    ],
)
def test_a_tempo_and_a_key_are_put_into_a_prompt_that_names_none(
    fields: dict[str, Any], text: str, warnings: int
) -> None:
    request = parse(**fields)
    assert request.prompt == text
    assert len(request.warnings) == warnings
    assert MusicRequest.model_validate_json(request.model_dump_json()) == request, "they are put in once"


def test_a_warning_names_the_field_that_the_prompt_overrules_and_both_values() -> None:
    assert parse(prompt="waltz in C major at 90 bpm", key="A minor", tempo_bpm=140).warnings == [
        "tempo_bpm: 140 was not used, as the prompt names 90 bpm",
        "key: A minor was not used, as the prompt names C major",
    ]


def test_a_prompt_that_is_too_long_with_its_tempo_is_refused_and_the_message_says_so() -> None:
    assert parse(prompt="la " * 16, title="no tempo").prompt
    refused = errors_of(prompt="la " * 14, tempo_bpm=94)["prompt"]
    assert "has 17 tokens with tempo_bpm and key; at most 16" in refused.message


def test_a_tempo_and_a_key_alone_are_no_prompt() -> None:
    assert errors_of(prompt=" ", tempo_bpm=94, key="A minor").keys() == {"prompt"}


TEXTS = st.text(max_size=30) | st.lists(
    st.sampled_from(["piano", "in", "A", "minor", "tempo", "94", "140 bpm", "a major", "key:", "fan,", "808."]),
    max_size=6,
).map(" ".join)


@given(TEXTS, st.none() | st.integers(40, 240), st.none() | st.sampled_from(["A minor", "F# major", "Bb minor"]))
def test_a_tempo_and_a_key_are_put_in_once_and_can_be_taken_out_again(
    text: str, tempo_bpm: int | None, key: str | None
) -> None:
    told = put_in(text, tempo_bpm, key)
    assert put_in(told, tempo_bpm, key) == told
    assert put_in(take_out(told, tempo_bpm, key), tempo_bpm, key) == told
    assert tempo_bpm is None or read_tempo(told) == (read_tempo(text) or tempo_bpm)
    assert key is None or read_key(told) == (read_key(text) or key)
