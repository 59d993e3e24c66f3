"""Check what documents say of the repository: paths exist, tables are what the code gives, the README is short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import package_table

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name != "LOG.md"),  # of the past
]
FOLDERS = (
    "api|page|shared|worker|housekeeping|mixing|clients|stack|bench|chaos|training|tools|tests|docs|deploy|requirements"
)
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*\w/?)[`:]")
MADE = {"training/runs/", "page/vendor/", "worker/engine/native/built"}  # by a training run, and at installation
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_and_link_on_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    missing = [path for path in PATH.findall(text) if path not in MADE and not (ROOT / path).exists()]
    missing += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert missing == []


def test_the_map_tells_each_package_by_its_own_first_line() -> None:
    assert package_table.PAGE.read_text() == package_table.page(), "run python -m tools.package_table"


def test_the_readme_has_at_most_a_hundred_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


def test_each_decision_has_a_date_and_a_status() -> None:
    for page in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        assert re.search(r"^# \d+\. .+\n\n20\d\d-\d\d-\d\d · \w+", page.read_text()), page.name
