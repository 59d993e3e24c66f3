"""Run what "as code" shows, as it is printed, against the real stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from playwright.sync_api import Locator, expect

from shared.settings import ROOT
from tests.audio_fixtures import read_back
from tests.e2e.conftest import Stack
from tests.page.conftest import REFUSALS, Visit
from tools.node import NODE

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

TIMEOUT_S = 120.0
AWKWARD = 'slow piano, it\'s a "quoted" $HOME `line`, no drums'
PROGRAMS = {"curl": ("sh", "program.sh"), "Python": (sys.executable, "program.py"), "JavaScript": (NODE, "program.mjs")}


def start(language: str, code: str, folder: Path, recordings: Iterable[tuple[str, bytes]]) -> subprocess.Popen[str]:
    """Start it in a folder where both packages are installed."""
    interpreter, name = PROGRAMS[language]
    (folder / "node_modules").mkdir(parents=True)
    (folder / "node_modules" / "musicgen-api").symlink_to(ROOT / "clients" / "js")
    (folder / name).write_text(code)
    for file, recording in recordings:
        (folder / file).write_bytes(recording)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "clients" / "python")}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([str(interpreter), name], cwd=folder, env=environment, **output)


def run_all(row: Locator, folder: Path, *recordings: tuple[str, bytes]) -> None:
    """Run what the opened piece shows in each language, with these files beside it; each writes the music."""
    running = {}
    for language in PROGRAMS:
        row.get_by_role("button", name=language).click()
        running[language] = start(language, row.locator("pre").inner_text(), folder / language, recordings)
    for language, program in running.items():
        said, _ = program.communicate(timeout=TIMEOUT_S)
        assert program.returncode == 0, f"{language}: {said}"
        assert list((folder / language).glob("music.*")), f"{language}: {said}"


def opened(visit: Visit, task_id: str) -> Locator:
    """Open "as code" of that piece."""
    row = visit.page.locator(f'.piece[data-id="{task_id}"]')
    row.locator("button.title").click()
    row.get_by_role("button", name="as code").click()
    row.locator("pre").wait_for()
    return row


def newest(stack: Stack, count: int) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = stack.http.get(f"/tasks?limit={count}").json()["tasks"]
    return tasks


def requests_of(tasks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in task["request"].items() if name != "stream"} for task in tasks]


def test_curl_python_and_javascript_make_the_same_request_as_printed(
    open_page: Callable[..., Visit], tmp_path: Path, stack: Stack
) -> None:
    visit = open_page()
    visit.page.get_by_text("More: model, seed, format").click()
    visit.page.locator("#output_format").select_option("flac")
    visit.page.locator("#seed").fill("7")
    visit.page.locator("#temperature").fill("0.9")
    visit.choose_length(2)
    visit.make(AWKWARD)
    visit.stage_is("Made")
    run_all(opened(visit, visit.piece("slow piano").get_attribute("data-id") or ""), tmp_path)
    for language in PROGRAMS:
        sound = soundfile.info(tmp_path / language / "music.flac")
        assert (sound.format, round(sound.duration, 2)) == ("FLAC", 2.0), language
    asked = requests_of(newest(stack, 4))
    assert asked == [asked[-1]] * 4, "all of them ask for the same"
    assert asked[0]["prompt"] == AWKWARD


def test_a_piece_that_followed_a_recording_shows_its_upload(
    open_page: Callable[..., Visit], tmp_path: Path, stack: Stack
) -> None:
    hum = (ROOT / "docs" / "examples" / "hum.flac").read_bytes()
    followed = stack.finish(stack.submit(hum, prompt="@flute; type=a", duration=1, seed=5))
    row = opened(open_page(), followed["task_id"])
    expect(row.get_by_text("put yours beside the program as melody.wav")).to_be_visible()
    run_all(row, tmp_path, ("melody.wav", hum))
    tasks = newest(stack, 4)
    assert requests_of(tasks) == requests_of([followed]) * 4
    assert [task["melody_seconds"] for task in tasks] == [followed["melody_seconds"]] * 4


def test_a_piece_that_followed_an_earlier_one_fetches_that_one(
    open_page: Callable[..., Visit], tmp_path: Path, stack: Stack
) -> None:
    earlier = str(stack.finish(stack.submit(prompt="calm flute", duration=2, seed=6))["task_id"])
    visit = open_page()
    row = visit.page.locator(f'.piece[data-id="{earlier}"]')
    row.locator("button.title").click()
    row.get_by_role("button", name="as melody").click()
    visit.page.get_by_role("button", name="Listen to it").wait_for()
    visit.make("follows it", 1)
    visit.stage_is("Made")
    followed = newest(stack, 1)[0]
    run_all(opened(visit, followed["task_id"]), tmp_path)
    tasks = newest(stack, 4)
    assert requests_of(tasks) == requests_of([followed]) * 4
    assert [task["melody_seconds"] for task in tasks] == [2.0] * 4
    with visit.page.expect_response("**/tasks") as accepted:
        visit.piece("follows it").get_by_role("button", name="more like this").click()
    other = stack.finish(accepted.value.json()["task_id"])
    assert (other["prompt"], other["melody_seconds"]) == ("follows it", 2.0)


def test_a_piece_that_goes_on_says_from_which_and_where(
    open_page: Callable[..., Visit], tmp_path: Path, stack: Stack
) -> None:
    earlier = str(stack.finish(stack.submit(prompt="calm flute", duration=2, seed=6))["task_id"])
    wanted = {"prompt": "and drums", "continue_from": earlier, "continue_at": 1.5, "duration": 2.5, "seed": 8}
    longer = stack.finish(stack.submit(**wanted))
    run_all(opened(open_page(), longer["task_id"]), tmp_path)
    tasks = newest(stack, 4)
    assert requests_of(tasks) == requests_of([longer]) * 4
    assert [(task["continue_from"], task["continue_at"]) for task in tasks] == [(earlier, 1.5)] * 4


def mixed(task: dict[str, Any]) -> tuple[Any, ...]:
    """Return what decides the sound of a piece for several instruments."""
    about = ("prompt", "seed", "level", "panning", "effects")
    parts = [tuple(part[name] for name in about) for part in task["parts"]]
    return (*(task[name] for name in ("tempo_bpm", "key", "mix_preset", "loudness", "duration")), parts)


@pytest.fixture(scope="module")
def duo(stack: Stack) -> dict[str, Any]:
    """Return a piece for two instruments, mixed by a preset."""
    wanted = {
        "instruments": {"piano": {"prompt": "jazz piano", "temperature": 0.9}, "drums": "soft drums"},
        "duration": 1,
        "mix_preset": "jazz_club",
        "seed": 9,
    }
    return stack.finish(stack.http.post("/tasks/multi-instrument", json=wanted).json()["task_id"])


def test_a_piece_for_several_instruments_shows_all_of_them(
    open_page: Callable[..., Visit], tmp_path: Path, stack: Stack, duo: dict[str, Any]
) -> None:
    row = opened(open_page(), duo["task_id"])
    run_all(row, tmp_path)
    tasks = newest(stack, 4)
    assert [mixed(task) for task in tasks] == [mixed(duo)] * 4
    assert len({read_back(stack.audio(task))[0].tobytes() for task in tasks}) == 1, "the same samples"
    with row.page.expect_response("**/tasks/multi-instrument") as accepted:
        row.get_by_role("button", name="more like this").click()
    other = stack.finish(accepted.value.json()["task_id"])
    expect(row.page.locator(f'.piece[data-id="{other["task_id"]}"]')).to_be_visible()
    one, another = ([(part["prompt"], part["level"]) for part in task["parts"]] for task in (duo, other))
    assert one == another
    assert {part["seed"] for part in duo["parts"]}.isdisjoint(part["seed"] for part in other["parts"])


def test_a_mix_of_earlier_stems_shows_how_they_are_mixed(
    open_page: Callable[..., Visit], tmp_path: Path, stack: Stack, duo: dict[str, Any]
) -> None:
    changes = {"levels": {"piano": -3, "drums": -96}, "loudness": -20, "mix_preset": None}
    mix = stack.finish(stack.http.post(f"/tasks/{duo['task_id']}/mix", json=changes).json()["task_id"])
    row = opened(open_page(allowed=REFUSALS), mix["task_id"])
    assert f"/tasks/{mix['task_id']}/mix" in row.locator("pre").inner_text()
    run_all(row, tmp_path)
    tasks = newest(stack, 4)
    assert [mixed(task) for task in tasks] == [mixed(mix)] * 4
    with row.page.expect_response("**/tasks/multi-instrument") as accepted:
        row.get_by_role("button", name="more like this").click()
    other = stack.finish(accepted.value.json()["task_id"])
    assert ([part["level"] for part in other["parts"]], other["mix_of"]) == ([-3.0, -96.0], None)
    removed = str(other["parts"][0]["task_id"])
    expect(row.page.locator(f'.piece[data-id="{other["task_id"]}"]')).to_be_visible()
    assert stack.http.delete(f"/tasks/{removed}?purge=1").status_code == 200
    gone = row.page.locator(f'.piece[data-id="{other["task_id"]}"]')
    gone.locator("button.title").click()
    gone.get_by_role("button", name="more like this").click()
    expect(gone.get_by_text("An instrument of it was deleted")).to_be_visible()
