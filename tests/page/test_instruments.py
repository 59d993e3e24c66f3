"""Make a piece for several instruments on the page, mix its stems by ear, and have the server mix them so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mixing.presets import PRESETS
from tests.page.conftest import PHONE, REFUSALS, Visit

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

MADE = re.compile("^Made$")
NAMES = ["piano", "bass", "drums"]


def latest(visit: Visit) -> dict[str, Any]:
    (task,) = httpx.get(f"{visit.url}/tasks?limit=1").json()["tasks"]
    return dict(task)


def test_a_piece_is_made_mixed_by_ear_and_mixed_so_on_the_server(open_page: Callable[..., Visit]) -> None:
    visit = open_page("/#/instruments")
    page = visit.page
    page.locator(".part-name").nth(len(NAMES) - 1).wait_for()
    assert [each.input_value() for each in page.locator(".part-name").all()] == NAMES
    page.locator("#piece-length").select_option("2")
    page.locator("#piece-tempo").fill("94")
    page.get_by_role("button", name="Make the piece").click()
    page.locator(".parts-made progress").nth(2).wait_for(state="attached")
    visit.stage_is(MADE)
    piece = latest(visit)
    row = page.locator(".piece").first
    row.locator(".title").click()
    row.get_by_role("button", name="mix", exact=True).click()
    row.get_by_text("0:00 / 0:02").wait_for()
    levels = [row.get_by_role("slider", name=f"Level of {name}").input_value() for name in NAMES]
    assert [float(level) for level in levels] == [part["level"] for part in piece["parts"]] == [-1.5, -1.0, -5.0]
    row.get_by_role("button", name="Play the mix").click()
    row.get_by_role("button", name="Pause the mix").wait_for()
    row.get_by_role("button", name="mute: drums").click()
    row.get_by_role("slider", name="Level of bass").press("ArrowRight")
    row.get_by_role("slider", name="Position of piano").press("Home")
    row.get_by_label("Loudness").fill("-20")
    with page.expect_response(re.compile("/mix$")) as accepted:
        row.get_by_role("button", name="Mix again", exact=True).click()
    page.locator(f'.piece[data-id="{accepted.value.json()["task_id"]}"]').wait_for()
    again = latest(visit)
    assert (again["mix_of"], again["status"], again["loudness"]) == (piece["task_id"], "completed", -20.0)
    assert [part["level"] for part in again["parts"]] == [-1.5, -0.5, -96.0]
    assert [part["panning"] for part in again["parts"]] == [-1.0, 0.0, 0.15]


def test_what_is_wrong_with_a_part_stands_at_it_and_nothing_typed_is_lost(open_page: Callable[..., Visit]) -> None:
    visit = open_page("/#/instruments", allowed=REFUSALS, viewport=PHONE)
    page = visit.page
    page.get_by_role("button", name="Add an instrument").click()
    page.get_by_label("Instrument 4", exact=True).fill("piano")
    page.get_by_role("button", name="Make the piece").click()
    page.get_by_text("Another instrument has this name").wait_for()
    page.get_by_label("Instrument 4", exact=True).fill("flute")
    page.get_by_role("button", name="Make the piece").click()
    page.locator(".part").nth(3).locator(".fault", has_text="empty or blank").wait_for()
    page.locator("#piece-tempo").fill("900")
    page.get_by_role("button", name="Make the piece").click()
    page.locator("#piece-tempo_bpm-fault", has_text="from 40 to 240").wait_for()
    assert page.get_by_label("Instrument 4", exact=True).input_value() == "flute"


def test_the_pages_presets_are_those_there_are(open_page: Callable[..., Visit]) -> None:
    visit = open_page("/#/instruments")
    visit.page.locator("#piece-preset").wait_for()
    values = visit.page.locator("#piece-preset option").evaluate_all("(all) => all.map((one) => one.value)")
    assert values == ["", *PRESETS]
