"""The page on a server with keys: it asks for one, says what is wrong with it, and shows it to nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from api.auth.keys import Allowance
from tests.page.conftest import REFUSALS, Visit
from tests.page.played import Played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]


def enter(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use this key").click()


def test_a_key_is_asked_for_kept_in_this_browser_and_in_no_address(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, allowed=REFUSALS)
    page, key = visit.page, played.key()
    expect(page.get_by_text("Enter your key to make and hear music here")).to_be_visible()
    enter(page, "ost_wrong")
    expect(page.get_by_text("This key is unknown or disabled")).to_be_visible()
    enter(page, key)
    expect(page.get_by_label("API key")).to_have_count(0)
    visit.make("with a key", 2)
    visit.stage_is("Made")
    row = visit.piece("with a key")
    row.get_by_role("button", name="Play").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()
    page.reload()
    expect(visit.piece("with a key")).to_be_visible()
    expect(page.get_by_label("API key")).to_have_count(0)
    assert not [url for url in visit.asked if key in url]
    assert key not in played.api.program.log_path.read_text()


def test_a_key_that_is_disabled_meanwhile_is_said_to_be_and_what_was_typed_stays(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, allowed=REFUSALS)
    key, record = played.keys.create("leaver", Allowance())
    enter(visit.page, key)
    expect(visit.page.get_by_label("API key")).to_have_count(0)
    played.keys.disable(record.id)
    visit.make("nothing is lost", 2)
    expect(visit.page.get_by_text("This key is unknown or disabled")).to_be_visible()
    expect(visit.page.locator("#prompt")).to_have_value("nothing is lost")


def test_a_key_that_has_used_up_what_it_may_is_said_to_have(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, allowed=REFUSALS, key=played.key(rpd=1))
    visit.make("the first of the day", 1)
    visit.stage_is("Made")
    visit.make("the second of the day", 1)
    expect(visit.page.get_by_text("This key has used up what it may")).to_be_visible()
    expect(visit.page.locator("#prompt")).to_have_value("the second of the day")


def test_an_answer_to_the_key_of_before_takes_nothing_from_the_key_of_now(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, allowed=REFUSALS, key="ost_wrong")
    page = visit.page
    expect(page.get_by_text("This key is unknown or disabled")).to_be_visible()
    late: list[Route] = []
    page.route("**/models", lambda route: route.continue_() if late else late.append(route))
    with page.expect_request("**/models"):
        pass
    enter(page, played.key())
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    with page.expect_response(lambda response: response.status == 401):
        late[0].continue_()
    page.locator("#prompt").fill("nothing is lost")
    expect(page.locator("#prompt")).to_have_value("nothing is lost")
    expect(page.get_by_label("API key")).to_have_count(0)


def test_who_types_goes_on_typing_where_they_are_when_a_key_is_asked_for(
    open_page: Callable[..., Visit], played: Played
) -> None:
    key, record = played.keys.create("writer", Allowance())
    visit = open_page(url=played.url, allowed=REFUSALS, key=key)
    expect(visit.page.get_by_text("Nothing yet")).to_be_visible()
    played.keys.disable(record.id)
    visit.page.locator("#prompt").fill("slow sad")
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_text("This key is unknown or disabled")).to_be_visible()
    visit.page.keyboard.type(" piano")
    expect(visit.page.locator("#prompt")).to_have_value("slow sad piano")


def test_another_key_shows_nothing_of_the_account_before(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, allowed=REFUSALS, key=played.key())
    visit.make("mine alone", 1)
    visit.stage_is("Made")
    expect(visit.piece("mine alone")).to_be_visible()
    visit.page.get_by_role("button", name="Forget the key").click()
    enter(visit.page, played.key())
    expect(visit.page.get_by_text("Nothing yet")).to_be_visible()
    expect(visit.page.locator(".piece")).to_have_count(0)
    expect(visit.page.locator(".now .take")).to_have_count(0)
