"""What the Lua scripts and Python both know is the same in both: constants, words, the names of fields, small rules."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import redis

from api.openapi.event_schemas import EVENTS, RequeueReason
from api.routes.metrics import COUNTED, FIRST_CHUNK_BUCKETS
from shared.jobs import event_log, serialization
from shared.jobs.acceptance import NewJob
from shared.jobs.audio_chunks import HEAD_FIELDS, Kind
from shared.jobs.job import Job, Stage, Status
from shared.jobs.priority_order import PATTERN
from shared.music.mix_spec import PARTS_PERCENT
from shared.music.priority import CLASSES
from shared.music.request import MusicRequest
from shared.webhooks import subscription
from shared.workers.throughput import RUN_FIELDS
from tests.shared.lua_source import (
    FILES,
    Literal,
    calls,
    constant,
    first_string,
    run_lua,
    strings_passed,
    tree,
    walk,
    words_of,
)
from tests.shared.steps import result_for

ENDED = {status.value for status in Status if status.ended}
STATUSES = {status.value for status in Status}


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("commands/claim", "PATTERN", list(PATTERN)),
        ("includes/queue_position", "PRIORITIES", list(CLASSES)),
        ("includes/single_flight", "RANK", {name: rank for rank, name in enumerate(CLASSES, 1)}),
        ("includes/compositions", "BLOCKED_STAGE", Stage.WAITING.value),
        ("includes/compositions", "PARTS_PERCENT", PARTS_PERCENT),
        ("includes/events", "DEFAULT_WEBHOOK_EVENTS", list(subscription.ENDS)),
        ("commands/append_chunks", "BUCKETS_S", list(FIRST_CHUNK_BUCKETS[:-1])),
        ("commands/chunk_heads", "HEAD_FIELDS", list(HEAD_FIELDS)),
        ("commands/throughput", "RUN_FIELDS", list(RUN_FIELDS)),
    ],
)
def test_a_constant_of_both_languages_is_the_same_in_both(file: str, name: str, value: Literal) -> None:
    assert constant(file, name) == value


def test_a_log_is_read_back_whole() -> None:
    kept = constant("includes/events", "EVENTS_KEPT")
    assert isinstance(kept, int)
    assert 2 * kept <= event_log.ENTRIES_AT_MOST  # the server trims by whole nodes


def test_every_kind_of_event_that_is_logged_has_a_schema_and_the_other_way_round() -> None:
    sent = {kind for event in EVENTS for kind in get_args(get_type_hints(event)["event"])} - {"gone"}
    assert strings_passed("log_event", 1) | ENDED == sent
    assert ENDED == event_log.ENDS


def test_every_event_of_a_webhook_is_owed_by_some_transition() -> None:
    assert strings_passed("owe_webhook", 1) | ENDED == set(subscription.EVENTS)


def test_the_reasons_for_another_attempt_are_those_of_the_schema() -> None:
    assert strings_passed("requeue", 2) | strings_passed("fail_attempt", 6) == set(get_args(RequeueReason))


def test_whatever_the_scripts_count_is_a_metric() -> None:
    own = {"first_chunk", "first_chunk_ms"}  # the parts of a histogram
    assert {field.partition("|")[0] for field in strings_passed("count", 0)} - own <= set(COUNTED)


def test_the_scripts_write_statuses_and_stages_that_python_knows() -> None:
    ends = strings_passed("finish", 1) | strings_passed("finish_generation", 1) | strings_passed("close", 1)
    assert ends == ENDED
    assert _written("status") | ends == STATUSES
    assert _written("stage") <= {stage.value for stage in Stage}


def test_the_scripts_compare_statuses_with_words_that_python_knows() -> None:
    compared = set[str]()
    for node in (node for file in FILES for node in walk(tree(file)) if node.type == "binary_expression"):
        left, operator, right = node.children
        if operator.type in ("==", "~=") and words_of(left).rpartition(".")[2] in ("status", "state"):
            compared |= {word for word in [first_string(right)] if word is not None}
    assert compared
    assert compared <= STATUSES


def test_a_chunk_that_is_timed_is_one_of_sound() -> None:
    assert "audio" in get_args(Kind)
    assert "ARGV[n] == 'audio'" in words_of(tree("commands/append_chunks"))


def _written(field: str) -> set[str]:
    """The words that HSET writes into that field."""
    found = set[str | None]()
    for arguments in calls("redis.call"):
        if first_string(arguments[0]) == "HSET":
            values = [first_string(each) for each in arguments]
            found |= {values[n + 1] for n in range(2, len(values) - 1) if values[n] == field}
    return {word for word in found if word is not None}


def test_every_field_that_is_read_of_a_record_is_written_by_somebody() -> None:
    written = _fields_python_writes() | _fields_lua_writes()
    assert _fields_lua_reads() <= written
    assert _fields_python_reads() <= written


def _fields_python_writes() -> set[str]:
    writers = (serialization.to_fields, serialization._recordings, NewJob.args)
    sources = "".join(map(inspect.getsource, writers))
    return set(re.findall(r'"(\w+)"', sources))


def _fields_python_reads() -> set[str]:
    return set(re.findall(r'fields(?:\.get\(|\[)"(\w+)"', inspect.getsource(serialization.from_fields)))


def _fields_lua_writes() -> set[str]:
    """Those of other hashes too. The rest arguments of `finish` and the like are fields and values."""
    found = set[str | None]()
    for arguments in calls("redis.call"):
        command, names = first_string(arguments[0]), [first_string(each) for each in arguments[2:]]
        if command in ("HSET", "HSETNX", "HINCRBY"):
            found |= set(names[::2] if command == "HSET" else names[:1])
    for function in ("finish", "finish_generation"):
        found |= {first_string(each) for arguments in calls(function) for each in arguments[4::2]}
    return {name for name in found if name is not None}


def _fields_lua_reads() -> set[str]:
    found = set[str | None]()
    for arguments in calls("read_fields"):
        if words_of(arguments[0]).startswith("job_key("):
            found |= {first_string(each) for each in arguments[1:]}
    for arguments in calls("redis.call"):
        if first_string(arguments[0]) in ("HGET", "HEXISTS") and words_of(arguments[1]).startswith("job_key("):
            found.add(first_string(arguments[2]))
    return {name for name in found if name is not None}


def test_codes_lie_beside_their_audio_by_the_same_rule(
    tmp_path: Path, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    keys = ["audio/a.wav", "audio/b.c.flac", "in.a.folder/x.mp3"]
    body = "local found = {}\nfor n, key in ipairs(ARGV) do found[n] = codes_of(key) end\nreturn found"
    found = run_lua(tmp_path, client, "blob_refs", body, *keys)
    made = result_for(Job("a", "tiny", request_for()))
    assert found == [replace(made, key=key).codes_key for key in keys]


def test_python_finds_the_id_in_a_member_of_the_line(tmp_path: Path, client: redis.Redis) -> None:
    member = run_lua(tmp_path, client, "queue_position", "return member_of(12, ARGV[1])", "an:id")
    assert member == "000000000012:an:id"
    assert str(member).partition(":")[2] == "an:id"
