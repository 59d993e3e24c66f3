"""Nothing moves for who wants no motion: no animation, no transition, no smooth scrolling, no picture by picture."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit
from tests.page.played import Played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

NOTE_MOTION = """
  window.motion = [];
  window.frames_ = 0;
  for (const type of ['animationstart', 'transitionrun']) {
    addEventListener(type, ({ target }) => motion.push(`${type} of ${target.outerHTML.slice(0, 100)}`), true);
  }
  for (const name of ['scroll', 'scrollBy', 'scrollIntoView', 'scrollTo']) {
    for (const scrolls of [Element.prototype, window].filter((each) => each[name])) {
      const scroll = scrolls[name];
      scrolls[name] = function (...how) {
        if (how.some((each) => each?.behavior === 'smooth')) motion.push(`${name} smoothly`);
        return scroll.apply(this, how);
      };
    }
  }
  const ask = requestAnimationFrame;
  window.requestAnimationFrame = (draw) => {
    window.frames_ += 1;
    return ask(draw);
  };
"""
SMOOTH = """[...document.querySelectorAll('*')].filter((each) => {
  return getComputedStyle(each).scrollBehavior === 'smooth';
}).length"""
A_SECOND = "new Promise((done) => { frames_ = 0; setTimeout(() => done(frames_), 1000); })"


def moves(page: Page) -> list[str]:
    running = page.evaluate("document.getAnimations().map((each) => `${each.constructor.name} runs`)")
    smooth = page.evaluate(SMOOTH)
    return [*page.evaluate("motion"), *running, *([f"{smooth} elements scroll smoothly"] if smooth else [])]


def test_nothing_moves_while_a_piece_is_made_played_and_opened(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key(), script=NOTE_MOTION, reduced_motion="reduce")
    page = visit.page
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    visit.make("without end", 240)
    visit.stage_is(re.compile("made"))
    expect(page.locator(".now").get_by_role("button", name="Pause")).to_be_visible()
    assert moves(page) == []
    page.locator(".now").get_by_role("button", name="Cancel").click()
    visit.make("opened", 30)
    visit.stage_is("Made")
    expect(page.locator(".now").get_by_role("button", name="Pause")).to_be_visible()
    assert page.evaluate(A_SECOND) <= 10, "it is drawn each second, and not with each picture of the screen"
    row = visit.piece("opened")
    row.locator(".title").click()
    expect(row.locator(".waveform > div")).to_be_visible()
    row.get_by_role("button", name=re.compile("Play|Pause")).first.click()
    page.get_by_role("link", name="Pieces").click()
    page.get_by_role("link", name="Several instruments").click()
    expect(page.get_by_role("button", name="Make the piece")).to_be_visible()
    assert moves(page) == []


def test_the_motion_that_is_looked_for_would_be_found(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key(), script=NOTE_MOTION)
    page = visit.page
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    page.evaluate("document.body.animate([{ opacity: 0 }, { opacity: 1 }], 60_000)")
    page.evaluate("document.body.scrollIntoView({ behavior: 'smooth' })")
    page.evaluate("document.documentElement.style.scrollBehavior = 'smooth'")
    assert moves(page) == ["scrollIntoView smoothly", "Animation runs", "1 elements scroll smoothly"]
