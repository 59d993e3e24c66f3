"""The page while a part of the server is away, and below a path of a proxy's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.page.played import Played
from tools.node import NODE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

PROXY = Path(__file__).with_name("proxy.mjs")
AWAY = ("Failed to load resource: the server responded with a status of 503",)


@contextmanager
def proxied(url: str, path: str) -> Iterator[str]:
    """Serve that server below a path, by a proxy that tells it nothing of it."""
    with subprocess.Popen([str(NODE), str(PROXY), url, path], stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(proxy.stdout.readline())}"
        finally:
            proxy.kill()


def test_below_a_path_that_the_server_knows_nothing_of_music_is_made_and_heard(
    open_page: Callable[..., Visit], played: Played
) -> None:
    with proxied(played.url, "/studio") as url:
        visit = open_page("/studio/", url=url, key=played.key())
        visit.make("below a path", 1)
        visit.stage_is("Made")
        row = visit.piece("below a path")
        row.get_by_role("button", name="Play").click()
        expect(row.locator(".fault")).to_have_count(0)
        row.locator(".title").click()
        expect(row.locator(".waveform > div")).to_be_visible()
        assert [each for each in visit.asked if not each.startswith((f"{url}/studio/", "blob:"))] == []


def test_while_the_broker_is_away_it_says_so_and_goes_on_by_itself(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=AWAY)
    expect(visit.page.get_by_text("Nothing yet")).to_be_visible()
    played.broker.kill()
    notice = visit.page.get_by_text("A part of the server is away")
    try:
        expect(notice).to_be_visible(timeout=15_000)
        visit.page.locator("#prompt").fill("typed meanwhile")
    finally:
        played.broker.start()
    expect(notice).to_have_count(0, timeout=15_000)
    visit.page.get_by_role("button", name="Make music").click()
    visit.stage_is("Made")
