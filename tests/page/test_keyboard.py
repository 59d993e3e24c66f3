"""The page by keys alone: where the focus is, is always seen."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.conftest import Visit
from tests.page.played import Played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

MOST_STEPS = 90
# an outline of the element, or of the label that stands for it
SEEN = """(element) => {
  const around = [element, element.closest('label')].filter(Boolean);
  const { top, bottom, left, right } = element.getBoundingClientRect();
  const inside = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth;
  const outlined = around.some((each) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(each);
    return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
  });
  return inside && outlined ? '' : element.outerHTML.slice(0, 200);
}"""


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press Tab until the target has the focus; each step is seen."""
    for _ in range(MOST_STEPS):
        page.keyboard.press(key)
        assert page.locator(":focus").evaluate(SEEN) == ""
        if target.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{target} is not reached by {MOST_STEPS} times {key}")


def test_a_piece_is_made_played_kept_and_mixed_again_by_keys_alone(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, key=played.key())
    page = visit.page
    expect(page.locator("#prompt")).to_be_visible()
    tab_to(page, page.get_by_role("link", name="Several instruments"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Make the piece")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Make the piece"))
    page.keyboard.press("Enter")
    visit.stage_is("Made")
    row = page.locator(".piece").first
    play = row.get_by_role("button", name=re.compile("^(Play|Pause)")).first
    tab_to(page, play)
    page.keyboard.press("Space")
    expect(row.get_by_role("button", name=re.compile("^Pause"))).to_be_visible()
    tab_to(page, row.get_by_role("button", name=re.compile("^Favourite")))
    page.keyboard.press("Enter")
    expect(row.get_by_role("button", name=re.compile("^Favourite"))).to_have_attribute("aria-pressed", "true")
    tab_to(page, row.locator(".title"), "Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, row.get_by_role("button", name="mix", exact=True))
    page.keyboard.press("Space")
    expect(row.get_by_role("button", name="Play the mix")).to_be_enabled()
    level = row.get_by_role("slider", name="Level of bass")
    before = float(level.input_value())
    tab_to(page, level)
    page.keyboard.press("ArrowLeft")
    expect(level).to_have_value(f"{before - 0.5:g}")
    tab_to(page, row.get_by_role("button", name="Mix again", exact=True))
    with page.expect_response(re.compile("/mix$")) as accepted:
        page.keyboard.press("Enter")
    again = accepted.value.json()
    assert {part["name"]: part["level"] for part in again["parts"]}["bass"] == before - 0.5
    expect(page.locator(f'.piece[data-id="{again["task_id"]}"]')).to_be_visible()
