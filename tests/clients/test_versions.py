"""Check that the product has one version: shared/version.py says it, and the rest follows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.settings import ROOT
from shared.version import VERSION
from tools.versions import VERSION_LINES, version_in


@pytest.mark.parametrize("path", VERSION_LINES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_package_says_the_products_version(path: Path) -> None:
    assert version_in(path) == VERSION, "run python -m tools.versions"


def test_the_changelog_begins_with_that_version_released_or_not() -> None:
    first = re.search(r"^## \[(.+)\] - (unreleased|20\d\d-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert first is not None
    assert first[1] == VERSION
