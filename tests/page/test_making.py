"""Make music on the page: it is heard before it is complete, and kept afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.page.conftest import Visit

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

POSITION = re.compile(r"0:0[1-9] / ")


def test_music_is_heard_before_it_is_complete_and_is_among_the_pieces_afterwards(
    open_page: Callable[..., Visit],
) -> None:
    visit = open_page()
    visit.make("slow sad piano in A minor, no drums", 8)
    visit.page.locator(".now .figures", has_text=POSITION).wait_for()
    assert "made" in visit.page.locator(".now .stage").inner_text()
    visit.stage_is("Made")
    row = visit.piece("slow sad piano in A minor")
    row.get_by_role("button", name="Play: slow sad piano").click()
    row.get_by_role("button", name="Pause: slow sad piano").wait_for()
