"""Each state of a piece on the page, made on purpose by a played worker."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from shared.music.catalog import PUBLISHED
from tests.page.conftest import BROKEN_OFF, REFUSALS, Visit
from tests.page.played import LINE, Played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]


OFFLINE = ("Failed to load resource: net::ERR_INTERNET_DISCONNECTED",)


@pytest.fixture
def visit(open_page: Callable[..., Visit], played: Played) -> Visit:
    return open_page(url=played.url, key=played.key())


@contextmanager
def going_on(visit: Visit) -> Iterator[None]:
    """Make something that takes long, and cancel it in the end."""
    visit.make("without end", 240)
    visit.stage_is(re.compile("made"))
    yield
    visit.page.locator(".now").get_by_role("button", name="Cancel").click()
    visit.stage_is("Cancelled")


def test_what_fails_says_why_and_can_be_tried_again_with_the_same_seed(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=BROKEN_OFF)
    visit.make("please fail", 2)
    visit.stage_is("It could not be made: Model loading failed: Out of memory")
    with visit.page.expect_request(lambda request: request.method == "POST") as sent:
        visit.page.get_by_role("button", name="Try again with the same seed").click()
    assert sent.value.post_data_json["prompt"] == "please fail"
    assert isinstance(sent.value.post_data_json["seed"], int)


def test_an_attempt_that_fails_is_begun_again_in_sight_and_its_sound_with_it(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=BROKEN_OFF)
    visit.make("begins anew", 4)
    expect(visit.page.get_by_text("The attempt failed: tried again")).to_be_visible()
    visit.stage_is("Made")


def test_what_goes_on_is_found_again_after_a_reload_and_can_be_cancelled(visit: Visit) -> None:
    with going_on(visit):
        visit.page.reload()
        expect(visit.page.locator(".now .take .prompt")).to_have_text("without end")
        visit.stage_is(re.compile("made"))


def test_a_second_tab_shows_what_the_first_one_makes_and_deletes(visit: Visit) -> None:
    other = visit.page.context.new_page()
    other.goto(visit.url)
    visit.make("for two tabs", 1)
    visit.stage_is("Made")
    expect(other.locator(".piece", has_text="for two tabs")).to_be_visible()
    row = visit.piece("for two tabs")
    row.locator(".title").click()
    row.get_by_role("button", name="delete").click()
    row.get_by_role("button", name="Delete", exact=True).click()
    expect(other.locator(".piece", has_text="for two tabs")).to_have_count(0)


def test_a_field_that_is_wrong_says_so_where_it_stands_and_the_rest_stays(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=REFUSALS)
    visit.page.get_by_text("More: model, seed, format").click()
    visit.page.locator("#temperature").fill("9")
    visit.make("too hot", 2)
    expect(visit.page.locator("#temperature-fault")).to_contain_text("from 0")
    expect(visit.page.locator("#temperature")).to_have_attribute("aria-invalid", "true")
    expect(visit.page.locator("#temperature")).to_be_focused()
    expect(visit.page.locator("#prompt")).to_have_value("too hot")
    visit.page.locator("#temperature").fill("1")
    expect(visit.page.locator("#temperature-fault")).to_be_empty()


def test_nothing_to_say_is_said_at_the_prompt_and_asks_the_server_nothing(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Make music").click()
    expect(visit.page.locator("#prompt-fault")).to_have_text("Say first what it should sound like, in a few words.")
    assert not [url for url in visit.asked if url.endswith("/tasks")]


def test_a_full_line_says_when_to_come_back_and_keeps_what_was_typed(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, key=(key := played.key()), allowed=REFUSALS)
    with played.musician.resting():
        played.submit(key, *["waits before"] * (LINE - 1))
        visit.make("waits", 1)
        visit.stage_is(f"Waits: {LINE - 1} before it")
        visit.make("one too many", 1)
        expect(visit.page.get_by_text("Too much waits already")).to_be_visible()
        expect(visit.page.locator("#prompt")).to_have_value("one too many")
    visit.stage_is("Made")


def test_without_a_network_it_says_so_and_goes_on_when_it_is_back(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=OFFLINE)
    with going_on(visit):
        visit.page.context.set_offline(True)
        expect(visit.page.get_by_text("No connection to the server")).to_be_visible()
        visit.page.context.set_offline(False)
        expect(visit.page.get_by_text("No connection to the server")).to_have_count(0)
        visit.stage_is(re.compile("made"))


def test_a_piece_whose_file_is_gone_says_so_where_it_stands(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=REFUSALS)
    visit.make("soon gone", 1)
    visit.stage_is("Made")
    visit.page.reload()
    row = visit.piece("soon gone")
    played.remove_file(row.get_attribute("data-id") or "")
    row.get_by_role("button", name="Play").click()
    expect(row.get_by_text("Its file is gone")).to_be_visible()


def test_a_deleted_piece_is_gone_from_page_and_server(visit: Visit, played: Played) -> None:
    visit.make("not wanted", 1)
    visit.stage_is("Made")
    row = visit.piece("not wanted")
    task_id = row.get_attribute("data-id") or ""
    row.get_by_role("button", name="not wanted", exact=True).click()
    expect(row.locator(".waveform > div")).to_be_visible()
    row.get_by_role("button", name="delete").click()
    expect(row.get_by_text("Delete it for good?")).to_be_visible()
    row.get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)
    assert not played.client.exists(f"ostinato:job:{task_id}")


def test_more_like_this_keeps_words_and_settings_and_draws_another_seed(visit: Visit) -> None:
    visit.page.get_by_text("More: model, seed, format").click()
    visit.page.locator("#seed").fill("5")
    visit.page.locator("#top_k").fill("9")
    visit.make("one of many", 1)
    visit.stage_is("Made")
    row = visit.piece("one of many")
    row.get_by_role("button", name="one of many", exact=True).click()
    with visit.page.expect_request(lambda request: request.method == "POST") as sent:
        row.get_by_role("button", name="more like this").click()
    asked = sent.value.post_data_json
    assert (asked["prompt"], asked["top_k"], asked["duration"]) == ("one of many", 9, 1)
    assert "seed" not in asked


def test_a_part_that_is_marked_on_the_waveform_is_looped_until_it_is_let_go(visit: Visit) -> None:
    visit.make("round and round", 2)
    visit.stage_is("Made")
    row = visit.piece("round and round")
    row.locator(".title").click()
    expect(row.locator(".waveform > div")).to_be_visible()
    box = row.locator(".waveform").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    visit.page.mouse.move(box["x"] + 0.2 * box["width"], y)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 0.4 * box["width"], y, steps=4)
    visit.page.mouse.up()
    expect(row.get_by_text(re.compile(r"Loops 0\.[345] s to 0\.[789] s"))).to_be_visible()
    row.get_by_role("button", name="loop", exact=True).click()
    expect(row.get_by_text("Drag on the waveform to loop a part of it")).to_be_visible()


def test_what_is_refused_says_so_where_it_was_asked_for_and_keeps_what_was_typed(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, key=(key := played.key()), allowed=REFUSALS)
    visit.make("the beginning", 1)
    visit.stage_is("Made")
    row = visit.piece("the beginning")
    row.locator(".title").click()
    row.get_by_role("button", name="go on from here").click()
    row.get_by_label("What comes").fill("and then")
    with played.musician.resting():
        played.submit(key, *["waits"] * LINE)
        row.get_by_role("button", name="Go on", exact=True).click()
        expect(row.get_by_text("Too much waits already")).to_be_visible()
        expect(row.get_by_label("What comes")).to_have_value("and then")


def test_where_the_browser_gives_no_clipboard_no_button_promises_one(
    open_page: Callable[..., Visit], played: Played
) -> None:
    none = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
    for script, buttons in (("", 1), (none, 0)):
        visit = open_page(url=played.url, key=played.key(), script=script)
        visit.make("to be copied", 1)
        row = visit.piece("to be copied")
        row.locator(".title").click()
        row.get_by_role("button", name="as code").click()
        expect(row.locator(".code pre")).to_contain_text("to be copied")
        expect(row.get_by_role("button", name="Copy")).to_have_count(buttons)


def test_models_without_a_worker_are_listed_and_cannot_be_chosen_with_what_starts_one(visit: Visit) -> None:
    visit.page.get_by_text("More: model, seed, format").click()
    options = visit.page.locator("#model option")
    expect(options.filter(has_text="tiny")).to_be_enabled()
    medium = options.filter(has_text=re.compile("^medium: no worker runs it$"))
    expect(medium).to_be_disabled()
    expect(visit.page.get_by_text("MODEL=NAME celery -A worker.app worker")).to_be_visible()
    assert sorted(value for value in options.evaluate_all("(all) => all.map((one) => one.value)") if value) == sorted(
        model.name for model in PUBLISHED
    )
