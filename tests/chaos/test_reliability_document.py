"""docs/reliability.md names the tests that show each promise: they must exist."""

from __future__ import annotations

import re

import pytest

from shared.settings import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))


def test_the_document_names_tests_for_every_promise() -> None:
    sections = TEXT.split("\n## ")[1:9]
    assert [section[0] for section in sections] == list("12345678")
    assert all("tests/" in section and ".py" in section for section in sections)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_that_the_document_names_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert not name or f"def {name}(" in (ROOT / path).read_text()
