"""Several tabs of one browser: a key that one changes or forgets, all have, and nothing that was typed is lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import BROKEN_OFF, REFUSALS, Visit
from tests.page.played import Played
from tests.page.test_keys_on_page import enter

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

NOT_RELOADED = "window.opened"


def another_tab(visit: Visit, path: str = "/") -> Page:
    """Open one more tab in the same browser; it knows whether it was loaded again."""
    tab = visit.page.context.new_page()
    tab.goto(visit.url + path)
    tab.evaluate(f"{NOT_RELOADED} = true")
    return tab


def test_all_tabs_ask_for_a_key_that_one_forgets_and_go_on_with_the_one_that_it_is_given(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, allowed=REFUSALS)
    enter(visit.page, played.key())
    other = another_tab(visit)
    visit.make("of the first account", 1)
    visit.stage_is("Made")
    row = other.locator(".piece", has_text="of the first account")
    row.locator(".title").click()
    row.get_by_role("button", name="as melody").click()
    expect(other.locator(".melody")).to_contain_text("of the first account")
    other.locator("#prompt").fill("typed in the other tab")
    visit.page.get_by_role("button", name="Forget the key").click()
    expect(other.get_by_label("API key")).to_be_visible()
    theirs = other.get_by_text("of the first account")
    expect(theirs).to_have_count(0)
    enter(visit.page, played.key())
    expect(other.get_by_label("API key")).to_have_count(0)
    expect(other.get_by_text("Nothing yet")).to_be_visible()
    visit.make("of the second account", 1)
    expect(other.locator(".piece", has_text="of the second account")).to_be_visible()
    expect(theirs).to_have_count(0)
    expect(other.locator("#prompt")).to_have_value("typed in the other tab")
    assert other.evaluate(NOT_RELOADED)


def test_what_another_account_was_making_is_not_shown_and_is_shown_again_with_its_key(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, allowed=BROKEN_OFF)
    first = played.key()
    enter(visit.page, first)
    visit.make("without end", 240)
    visit.stage_is(re.compile("made"))
    other = another_tab(visit)
    making = other.locator(".now .take .prompt")
    expect(making).to_have_text("without end")
    visit.page.get_by_role("button", name="Forget the key").click()
    enter(other, played.key())
    for tab in (visit.page, other):
        expect(tab.get_by_text("Nothing yet")).to_be_visible()
        expect(tab.locator(".now .take")).to_have_count(0)
    visit.page.get_by_role("button", name="Forget the key").click()
    enter(visit.page, first)
    expect(making).to_have_text("without end")
    other.locator(".now").get_by_role("button", name="Cancel").click()
    visit.stage_is("Cancelled")


def test_a_wrong_key_is_said_to_be_wrong_in_all_tabs(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, allowed=REFUSALS)
    other = another_tab(visit)
    expect(other.get_by_text("Enter your key")).to_be_visible()
    enter(visit.page, "ost_wrong")
    expect(other.get_by_text("This key is unknown or disabled")).to_be_visible()


def test_operators_tabs_have_the_same_key_and_keep_what_was_typed(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page("/admin", url=played.url, allowed=REFUSALS)
    secrets = [played.keys.create_admin(name)[0] for name in ("ops", "night")]
    page, other = visit.page, another_tab(visit, "/admin")
    label = other.get_by_label("API key with the scope admin")
    expect(label).to_be_visible()
    page.get_by_label("API key with the scope admin").fill(secrets[0])
    page.get_by_role("button", name="Use this key").click()
    expect(label).to_have_count(0)
    form = other.locator("#keys")
    form.get_by_text("Make a key").first.click()
    form.get_by_label("Name").fill("a new studio")
    other.locator("#tasks").get_by_label("Prompt or id").fill("harp")
    page.get_by_role("button", name="Forget the key").click()
    expect(label).to_be_visible()
    expect(other.locator("table")).to_have_count(0)
    page.get_by_label("API key with the scope admin").fill(secrets[1])
    page.get_by_role("button", name="Use this key").click()
    expect(form.get_by_label("Name")).to_have_value("a new studio")
    expect(other.locator("#tasks").get_by_label("Prompt or id")).to_have_value("harp")
    assert other.evaluate(NOT_RELOADED)
