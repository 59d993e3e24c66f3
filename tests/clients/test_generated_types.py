"""Compare the types of both clients with the description of the API that they are written from."""

from __future__ import annotations

from copy import deepcopy

import pytest
from music_gen.responses import Fingerprint, Task

from tools.generate_client_types import PYTHON, TYPESCRIPT, components, written


def test_the_types_are_those_of_the_description() -> None:
    for path, text in written(components()).items():
        assert path.read_text() == text, f"{path.name}: run python -m tools.generate_client_types"


def test_a_field_added_to_the_description_is_in_the_types_of_both_clients() -> None:
    changed = deepcopy(components())
    changed["TaskResponse"]["properties"]["loudness"] = {"type": "number", "description": "LUFS"}
    texts = written(changed)
    assert "    loudness: float | None = None  # LUFS\n" in texts[PYTHON]
    assert "  /** LUFS */\n  loudness?: number;\n" in texts[TYPESCRIPT]


def test_each_field_of_a_response_is_read_whatever_it_is_called_and_none_that_lacks() -> None:
    fingerprint = dict.fromkeys(("checkpoint", "engine", "precision", "device"), "x")
    part = {"name": "drums", "task_id": "b", "status": "completed", "percent": 40.0, "level": -3.0, "effects": [{}]}
    sent = {"task_id": "a", "status": "completed", "duration": 2.0, "sample_rate": 32000, "loudness": -14.0}
    task = Task.from_answer(sent | {"fingerprint": fingerprint, "warnings": ["w"], "parts": [part], "unknown": 1})
    assert (task.id, task.duration_s, task.sample_rate_hz, task.loudness) == ("a", 2.0, 32000, -14.0)
    assert (task.fingerprint, task.warnings) == (Fingerprint("x", "x", "x", "x"), ("w",))
    assert (task.parts[0].progress, task.parts[0].level, task.parts[0].effects) == (40.0, -3.0, ({},))
    assert (task.output_format, task.title, task.gone, task.raw["unknown"]) == ("wav", None, False, 1)


def test_a_field_of_a_kind_that_no_type_is_known_for_is_refused() -> None:
    changed = deepcopy(components())
    changed["TaskResponse"]["properties"]["odd"] = {"type": "octets"}
    with pytest.raises(KeyError, match="octets"):
        written(changed)
