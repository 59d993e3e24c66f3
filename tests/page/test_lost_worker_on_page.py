"""A worker dies while the page plays what it makes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Stack
from tests.page.conftest import Visit

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]


def test_a_piece_whose_worker_is_killed_is_made_again_in_sight_and_ends_well(
    open_page: Callable[..., Visit], stack: Stack
) -> None:
    visit = open_page()
    visit.make("gentle flute, slow, in D major", 10)
    visit.page.locator(".now .stage", has_text=re.compile(r"made [1-9]")).wait_for()
    killed = stack.workers.pop("first")
    killed.kill()
    stack.start_worker("second")
    expect(visit.page.get_by_text("Its worker was lost: again on another worker")).to_be_visible()
    visit.stage_is("Made")
    stack.workers["first"] = stack.workers.pop("second")  # whoever comes next finds one worker
