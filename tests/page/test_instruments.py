"""Make a piece for several instruments on the page, mix its stems by ear, and have the server mix them so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from mixing.presets import PRESETS
from shared.music.mix_spec import preset_settings
from tests.audio_fixtures import read_back
from tests.page.conftest import PHONE, REFUSALS, WAIT_MS, Visit
from tests.page.played import Played
from tests.page.test_mixer import levels_db

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

MADE = re.compile("^Made$")
NAMES = ["piano", "bass", "drums"]
# the level of each channel, in dB, of what was started
NOTE_WHAT_SOUNDS = """
  window.sounded = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (...when) {
    const level = (all) => 10 * Math.log10(all.reduce((sum, one) => sum + one ** 2, 0) / all.length);
    const { buffer } = this;
    window.sounded.push([...Array(buffer.numberOfChannels).keys()].map((side) => level(buffer.getChannelData(side))));
    return start.apply(this, when);
  };
"""


def latest(visit: Visit) -> dict[str, Any]:
    (task,) = httpx.get(f"{visit.url}/tasks?limit=1").json()["tasks"]
    return dict(task)


def make_the_piece(visit: Visit) -> None:
    """Make a short one of the instruments that the form proposes."""
    page = visit.page
    page.locator(".part-name").nth(len(NAMES) - 1).wait_for()
    assert [each.input_value() for each in page.locator(".part-name").all()] == NAMES
    page.locator("#piece-length").select_option("2")
    page.locator("#piece-tempo").fill("94")
    page.get_by_role("button", name="Make the piece").click()
    page.locator(".parts-made progress").nth(2).wait_for(state="attached")
    visit.stage_is(MADE)


def opened_desk(visit: Visit) -> Locator:
    """Make a piece and open its desk; return the piece's row."""
    make_the_piece(visit)
    row = visit.page.locator(".piece").first
    row.locator(".title").click()
    row.get_by_role("button", name="mix", exact=True).click()
    row.get_by_text("0:00 / 0:02").wait_for()
    return row


def is_faulty(control: Locator, words: str) -> None:
    """The fault is announced with the control, which has the focus."""
    expect(control).to_have_attribute("aria-invalid", "true")
    expect(control).to_be_focused()
    fault = control.page.locator(f'[id="{control.get_attribute("aria-describedby")}"]')
    expect(fault).to_contain_text(words)


def test_a_piece_is_made_mixed_by_ear_and_mixed_so_on_the_server(open_page: Callable[..., Visit]) -> None:
    visit = open_page("/#/instruments")
    page = visit.page
    row = opened_desk(visit)
    piece = latest(visit)
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


def test_another_preset_is_heard_at_once_and_as_the_server_then_mixes_it(open_page: Callable[..., Visit]) -> None:
    visit = open_page("/#/instruments", script=NOTE_WHAT_SOUNDS)
    page = visit.page
    row = opened_desk(visit)
    row.get_by_role("button", name="Play the mix").click()
    row.get_by_role("button", name="Pause the mix").wait_for()
    with page.expect_response(re.compile("/mix[?]mix_preset=electronic_club$")):
        row.get_by_label("Preset").select_option("electronic_club")
    expect(row.get_by_label("Loudness")).to_have_value("-10")
    strips = preset_settings("electronic_club", NAMES)
    for name in NAMES:
        expect(row.get_by_role("slider", name=f"Level of {name}")).to_have_value(f"{strips[name].level:g}")
    assert not [url for url in visit.asked if url.endswith("/mix") and "preset" in url]
    with page.expect_response(re.compile("/mix$"), timeout=WAIT_MS) as accepted:
        row.get_by_role("button", name="Mix again", exact=True).click()
    task_id = accepted.value.json()["task_id"]
    page.locator(f'.piece[data-id="{task_id}"]').wait_for()
    again = latest(visit)
    assert (again["task_id"], again["mix_preset"], again["loudness"]) == (task_id, "electronic_club", -10.0)
    samples, _ = read_back(httpx.get(f"{visit.url}/tasks/{task_id}/audio").content)
    on_the_server = levels_db(samples)
    heard = page.evaluate("sounded")
    off = [abs(np.array(levels) - on_the_server).max() for levels in heard if len(levels) == 2]
    print(f"of {len(off)} that sounded, the closest to the server's mix is {min(off):.2f} dB off")
    assert min(off) <= 0.5


def test_stems_that_are_gone_are_said_at_their_rows_and_the_others_still_mix(
    open_page: Callable[..., Visit], played: Played
) -> None:
    key = played.key()
    visit = open_page("/#/instruments", url=played.url, key=key, allowed=REFUSALS)
    page = visit.page
    page.get_by_role("button", name="Add an instrument").click()
    page.get_by_label("Instrument 4", exact=True).fill("flute")
    page.get_by_label("What plays flute").fill("a slow melody")
    with page.expect_response(re.compile("/multi-instrument$")) as accepted:
        page.get_by_role("button", name="Make the piece").click()
    ids = {part["name"]: part["task_id"] for part in accepted.value.json()["parts"]}
    visit.stage_is(MADE)
    played.remove_file(ids["bass"])
    purged = httpx.delete(f"{played.url}/tasks/{ids['drums']}?purge=1", headers={"X-API-Key": key})
    assert purged.status_code == 200
    page.reload()
    row = page.locator(".piece").first
    row.locator(".title").click()
    row.get_by_role("button", name="mix", exact=True).click()
    expect(row.get_by_role("button", name="Play the mix")).to_be_enabled()
    for name in ("bass", "drums"):
        expect(row.locator(".strip", has_text=name).get_by_text("This stem is gone")).to_be_visible()
    sliders = row.get_by_role("slider", name=re.compile("^Level of"))
    assert [each.get_attribute("aria-label") for each in sliders.all()] == ["Level of piano", "Level of flute"]
    sliders.first.press("ArrowLeft")
    row.get_by_role("button", name="Play the mix").click()
    expect(row.get_by_text(re.compile("0:0[1-9] / 0:08"))).to_be_visible()
    expect(row.get_by_role("button", name="Mix again", exact=True)).to_be_disabled()
    expect(row.get_by_text("only while all of its stems are there")).to_be_visible()


def test_what_is_wrong_with_a_part_stands_at_it_and_nothing_typed_is_lost(open_page: Callable[..., Visit]) -> None:
    visit = open_page("/#/instruments", allowed=REFUSALS, viewport=PHONE)
    page = visit.page
    page.get_by_role("button", name="Add an instrument").click()
    name = page.get_by_label("Instrument 4", exact=True)
    name.fill("piano")
    make = page.get_by_role("button", name="Make the piece")
    make.click()
    is_faulty(name, "Another instrument has this name")
    name.fill("flute")
    expect(name).not_to_have_attribute("aria-invalid", "true")
    make.click()
    is_faulty(page.get_by_label("What plays flute"), "empty or blank")
    page.locator("#piece-tempo").fill("900")
    make.click()
    expect(page.get_by_label("What plays flute")).to_be_focused()
    page.get_by_label("What plays flute").fill("a slow melody")
    make.click()
    is_faulty(page.locator("#piece-tempo"), "from 40 to 240")
    expect(name).to_have_value("flute")


def test_each_control_of_the_form_is_tied_to_a_fault_of_its_own(open_page: Callable[..., Visit]) -> None:
    visit = open_page("/#/instruments")
    controls = visit.page.locator(".make form").locator("input, select")
    controls.first.wait_for()
    ids = [control.get_attribute("aria-describedby") for control in controls.all()]
    assert len(set(ids)) == len(ids) == 2 * len(NAMES) + 4
    for each in ids:
        expect(visit.page.locator(f'[id="{each}"][role=alert]')).to_have_count(1)


def test_the_pages_presets_are_those_there_are(open_page: Callable[..., Visit]) -> None:
    visit = open_page("/#/instruments")
    visit.page.locator("#piece-preset").wait_for()
    values = visit.page.locator("#piece-preset option").evaluate_all("(all) => all.map((one) => one.value)")
    assert values == ["", *PRESETS]
