"""Run what "as code" shows, as it is printed, against the real stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from shared.settings import ROOT
from tests.page.conftest import Visit
from tools.node import NODE

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

TIMEOUT_S = 60.0
AWKWARD = 'slow piano, it\'s a "quoted" $HOME `line`, no drums'
PROGRAMS = {"curl": ("sh", "program.sh"), "Python": (sys.executable, "program.py"), "JavaScript": (NODE, "program.mjs")}


def start(language: str, code: str, folder: Path) -> subprocess.Popen[str]:
    """Start it in a folder where both packages are installed."""
    interpreter, name = PROGRAMS[language]
    (folder / "node_modules").mkdir(parents=True)
    (folder / "node_modules" / "musicgen-api").symlink_to(ROOT / "clients" / "js")
    (folder / name).write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "clients" / "python")}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([str(interpreter), name], cwd=folder, env=environment, **output)


def test_curl_python_and_javascript_make_the_same_request_as_printed(
    open_page: Callable[..., Visit], tmp_path: Path
) -> None:
    visit = open_page()
    visit.page.get_by_text("More: model, seed, format").click()
    visit.page.locator("#output_format").select_option("flac")
    visit.page.locator("#seed").fill("7")
    visit.page.locator("#temperature").fill("0.9")
    visit.choose_length(2)
    visit.make(AWKWARD)
    visit.stage_is("Made")
    row = visit.piece("slow piano")
    row.locator(".title").click()
    row.get_by_role("button", name="as code").click()
    running = {}
    for language in PROGRAMS:
        row.get_by_role("button", name=language).click()
        running[language] = start(language, row.locator("pre").inner_text(), tmp_path / language)
    for language, program in running.items():
        said, _ = program.communicate(timeout=TIMEOUT_S)
        assert program.returncode == 0, said
        sound = soundfile.info(tmp_path / language / "music.flac")
        assert (sound.format, round(sound.duration, 2)) == ("FLAC", 2.0), language
    tasks = visit.page.context.request.get(f"{visit.url}/tasks?limit=4").json()["tasks"]
    asked = [{name: value for name, value in task["request"].items() if name != "stream"} for task in tasks]
    assert asked == [asked[-1]] * 4, "all of them ask for the same"
    assert asked[0]["prompt"] == AWKWARD
