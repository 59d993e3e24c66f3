"""Compare the parameters of both clients with the table of a request's fields that they are written from."""

from __future__ import annotations

import pytest
from pydantic import Field

from api.routes.tasks import TaskBody
from shared.music.request import FIELDS
from shared.music.request_fields import FieldSpec
from tools.generate_client_types import PYTHON_REQUESTS, TYPESCRIPT_REQUESTS, written_requests
from tools.request_parameters import parameters


def test_the_parameters_are_those_of_the_table() -> None:
    for path, text in written_requests(tuple(parameters())).items():
        assert path.read_text() == text, f"{path.name}: run python -m tools.generate_client_types"


class SwingBody(TaskBody):
    swing: float | None = Field(None, description="from 0 to 1")


def test_a_field_added_to_the_table_is_a_parameter_of_both_clients() -> None:
    spec = FieldSpec("music", multi=True, local=True, option=True)
    texts = written_requests(tuple(parameters({**FIELDS, "swing": spec}, SwingBody)))
    assert texts[PYTHON_REQUESTS].count("    swing: float  # from 0 to 1\n") == 1
    assert texts[PYTHON_REQUESTS].count("    swing: float | None  # from 0 to 1\n") == 1
    assert '    "swing": (float, "from 0 to 1"),\n' in texts[PYTHON_REQUESTS]
    assert "  /** From 0 to 1 */\n  swing?: number;\n" in texts[TYPESCRIPT_REQUESTS]
    assert "  | 'swing';\n" in texts[TYPESCRIPT_REQUESTS]


class OddBody(TaskBody):
    odd: dict[str, str] = Field({}, description="a kind that no field has had")


def test_a_field_of_a_kind_that_no_type_is_known_for_is_refused() -> None:
    with pytest.raises(KeyError, match="object"):
        written_requests(tuple(parameters({**FIELDS, "odd": FieldSpec()}, OddBody)))
