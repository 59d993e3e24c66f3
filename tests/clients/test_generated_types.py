"""Compare the types of both clients with the description of the API that they are written from."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tools.generate_client_types import PYTHON, TYPESCRIPT, components, written


def test_the_types_are_those_of_the_description() -> None:
    for path, text in written(components()).items():
        assert path.read_text() == text, f"{path.name}: run python -m tools.generate_client_types"


def test_a_field_added_to_the_description_is_in_the_types_of_both_clients() -> None:
    changed = deepcopy(components())
    changed["TaskResponse"]["properties"]["loudness"] = {"type": "number", "description": "LUFS"}
    texts = written(changed)
    assert "    loudness: float | None = None  # LUFS\n" in texts[PYTHON]
    assert '            loudness=response.get("loudness"),\n' in texts[PYTHON]
    assert "  /** LUFS */\n  loudness?: number;\n" in texts[TYPESCRIPT]


def test_a_field_of_a_kind_that_no_type_is_known_for_is_refused() -> None:
    changed = deepcopy(components())
    changed["TaskResponse"]["properties"]["odd"] = {"type": "octets"}
    with pytest.raises(KeyError, match="octets"):
        written(changed)
