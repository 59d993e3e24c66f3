"""What a JSON text holds is counted as its bytes come, and means the same however they are cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.body_limits import BATCH, COMPOSITION, MOST_FIELDS, MOST_LEVELS, SINGLE, BodyLimits
from api.http.json_scanner import JsonScanner
from shared.errors import InvalidRequest

TRICKY = ['"', "\\", '\\"', "\\\\", '{"a": [1, 2', "]}", ",,::", "é\u2028"]
TEXT = st.one_of(st.text(max_size=6), st.sampled_from(TRICKY))
ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=30,
)


def scan(data: bytes, limits: BodyLimits = SINGLE, block: int = 1 << 16) -> str | None:
    """The code of the fault, or None."""
    scanner = JsonScanner(limits)
    try:
        for at in range(0, len(data), block):
            scanner.feed(data[at : at + block])
    except InvalidRequest as error:
        return error.code
    return None


def entries(value: Any) -> int:
    """Members and list entries of all that is inside, counted on the object itself."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(1 + entries(each) for each in inside)


def levels(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(levels, inside), default=0)


@given(ANY, st.integers(1, 40), st.booleans(), st.integers(0, 20))
def test_it_counts_what_the_parser_finds_however_the_bytes_are_cut(value: Any, block: int, plain: bool, n: int) -> None:
    data = json.dumps(value, ensure_ascii=plain, indent=2 if n % 2 else None).encode()
    limits = BodyLimits(fields=n)
    too_many = scan(data, limits) is not None
    assert too_many == (entries(value) > n)
    if not too_many and "[]" not in data.decode().replace(" ", ""):  # an empty list that is cut counts as one entry
        assert scan(data, limits, block) is None


def of_fields(count: int) -> bytes:
    return json.dumps({f"k{n}": 0 for n in range(count)}).encode()


def test_a_request_has_a_hundred_fields_and_its_lists_entries_count() -> None:
    assert scan(of_fields(MOST_FIELDS)) is None
    assert scan(of_fields(MOST_FIELDS + 1)) == "TOO_MANY_FIELDS"
    assert scan(json.dumps({"a": [0] * (MOST_FIELDS - 1)}).encode()) is None
    assert scan(json.dumps({"a": [0] * MOST_FIELDS}).encode()) == "TOO_MANY_FIELDS"
    assert scan(json.dumps({"a": {"b": {f"k{n}": 0 for n in range(MOST_FIELDS)}}}).encode()) == "TOO_MANY_FIELDS"


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_thirty_two_levels_are_read_and_no_more(brackets: tuple[str, str]) -> None:
    for count, code in ((MOST_LEVELS, None), (MOST_LEVELS + 1, "TOO_DEEP"), (100_000, "TOO_DEEP")):
        text = brackets[0] * count + "0" + brackets[1] * count
        assert scan(text.encode()) == code
    empty = "[" * (MOST_LEVELS + 1) + "]" * (MOST_LEVELS + 1)
    assert scan(empty.encode()) == "TOO_DEEP"


def batch_of(counts: list[int], **around: Any) -> bytes:
    requests = [{f"k{n}": 0 for n in range(count)} for count in counts]
    return json.dumps({"requests": requests} | around).encode()


def test_a_batch_has_a_hundred_fields_for_each_of_its_requests() -> None:
    assert scan(batch_of([100] * 100), BATCH) is None
    assert scan(batch_of([100] * 100, further=1), BATCH) is None
    assert scan(batch_of([100] * 99 + [101]), BATCH) == "TOO_MANY_FIELDS"
    assert scan(batch_of([1] * 201), BATCH) == "TOO_MANY_REQUESTS"
    assert scan(batch_of([1], **{f"k{n}": 0 for n in range(100)}), BATCH) == "TOO_MANY_FIELDS"
    many_lists = {f"k{n}": [{"a": 0}] * 100 for n in range(90)}
    assert scan(json.dumps(many_lists).encode(), BATCH) == "TOO_MANY_REQUESTS"


def test_the_request_with_too_many_fields_is_named() -> None:
    with pytest.raises(InvalidRequest) as refused:
        JsonScanner(BATCH).feed(batch_of([3, 3, 101, 3]))
    assert refused.value.errors[0].field == "requests[2]"


def test_the_largest_piece_for_several_instruments_passes() -> None:
    effects = [{"type": "compressor"} | dict.fromkeys("abcdef", 1.0) for _ in range(16)]
    names = [f"instrument {n}" for n in range(16)]
    part = {"prompt": "x", "follow": True, "seed": 1, "temperature": 1, "top_k": 1, "top_p": 0, "guidance_scale": 3}
    piece = {"instruments": dict.fromkeys(names, part), "levels": dict.fromkeys(names, 0)}
    piece |= {"panning": dict.fromkeys(names, 0), "effects": dict.fromkeys(names, effects)}
    assert scan(json.dumps(piece).encode(), COMPOSITION) is None
    assert scan(json.dumps(piece | {"levels": dict.fromkeys(map(str, range(101)), 0)}).encode(), COMPOSITION)


def broken_texts() -> Iterator[bytes]:
    """No JSON, and long: what counts nothing must end too."""
    for piece in (b",", b":", b"}", b"]", b"{}", b"[]", b"{},", b'"",', b"[", b"{"):
        yield piece * 100_000
        yield b"[" + piece * 100_000
        yield b'{"a":' + piece * 100_000


@pytest.mark.parametrize("data", broken_texts(), ids=lambda data: repr(data[:8]))
def test_broken_json_is_given_up_after_a_bounded_number_of_steps(data: bytes) -> None:
    steps = 0

    class Counted(JsonScanner):
        def _take(self, token: bytes) -> None:
            nonlocal steps
            steps += 1
            super()._take(token)

    with pytest.raises(InvalidRequest):
        Counted(SINGLE).feed(data)
    assert steps <= 4 * (MOST_FIELDS + 1) + 1
