"""The page by keyboard alone, for a screen reader, on a phone and in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.settings import ROOT
from tests.page.conftest import PHONE, REFUSALS, Visit
from tests.page.played import Played
from tools.environments import pinned_npm_environment

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

BY_AXE = ("Applying inline style",)  # it tries colours out
LOOKS: list[dict[str, Any]] = [
    {},
    {"color_scheme": "dark"},
    {"viewport": PHONE, "has_touch": True},
]


def faults(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page as it is now."""
    axe = pinned_npm_environment("page", ROOT / "page") / "axe-core" / "axe.min.js"
    page.evaluate(axe.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "phone"])
def test_axe_finds_nothing_wrong_with_any_state(
    open_page: Callable[..., Visit], played: Played, look: dict[str, Any]
) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=BY_AXE, **look)
    page = visit.page
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    assert faults(page) == []
    visit.make("without end", 240)
    visit.stage_is(re.compile("made"))
    page.get_by_text("More: model, seed, format").click()
    page.get_by_role("button", name="Keys").click()
    assert faults(page) == []
    page.keyboard.press("Escape")
    if look.get("viewport") == PHONE:
        page.locator(".now-bar .title").click()
    page.locator(".now").get_by_role("button", name="Cancel").click()
    visit.make("to be opened", 1)
    visit.stage_is("Made")
    row = visit.piece("to be opened")
    row.locator(".title").click()
    for action in ("as code", "delete"):
        row.get_by_role("button", name=action).click()
        assert faults(page) == []


def test_the_key_dialog_has_no_fault_either(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, allowed=REFUSALS)
    expect(visit.page.get_by_label("API key")).to_be_focused()
    assert faults(visit.page) == []


def test_music_is_made_heard_and_stopped_by_keys_alone(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key())
    page = visit.page
    page.locator("#prompt").focus()
    page.keyboard.type("by keys")
    page.keyboard.press("Enter")
    visit.stage_is("Made")
    page.locator("#results").focus()
    pause, play = (page.locator(".now").get_by_role("button", name=name) for name in ("Pause", "Play"))
    page.keyboard.press("Space")
    expect(play.or_(pause).first).to_be_visible()
    before = pause.count()
    page.keyboard.press("Space")
    expect(play if before else pause).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "phone"])
def test_nothing_is_wider_than_the_screen_and_no_target_is_too_small_to_touch(
    open_page: Callable[..., Visit], played: Played, look: dict[str, Any]
) -> None:
    visit = open_page(url=played.url, key=played.key(), **look)
    expect(visit.page.get_by_text("Nothing yet")).to_be_visible()
    wide = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    if look.get("has_touch"):
        small = visit.page.evaluate(
            "[...document.querySelectorAll('button, select, input, summary, nav a')].filter((each) =>"
            " each.offsetParent && each.getBoundingClientRect().height < 44).map((each) => each.outerHTML)"
        )
        assert [each for each in small if 'type="radio"' not in each] == []


def test_axe_finds_nothing_wrong_with_the_form_for_several_instruments(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page("/#/instruments", url=played.url, key=played.key(), allowed=BY_AXE)
    visit.page.locator(".part-name").first.fill("")
    visit.page.get_by_role("button", name="Make the piece").click()
    expect(visit.page.get_by_text("Give this instrument a name")).to_be_visible()
    assert faults(visit.page) == []
