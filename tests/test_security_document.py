"""Check docs/security.md: the test that it names for each guard exists, and each row has its four parts."""

from __future__ import annotations

import re

import pytest

from shared.settings import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))
HEAD = ["threat", "guard", "the test that tries it", "not promised"]
AREAS = {section.partition("\n")[0]: section for section in TEXT.split("\n## ")[1:]}


def rows(section: str) -> list[list[str]]:
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize("area", AREAS)
def test_each_threat_has_a_guard_and_a_test_that_tries_it(area: str) -> None:
    head, rule, *threats = rows(AREAS[area])
    assert head == HEAD
    assert set("".join(rule)) == {"-"}
    assert threats
    for threat in threats:
        assert len(threat) == len(HEAD), threat
        assert threat[0], threat
        assert threat[1], threat
        assert threat[2].startswith("`tests/"), threat


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_that_the_document_names_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert not name or f"def {name}(" in (ROOT / path).read_text()
