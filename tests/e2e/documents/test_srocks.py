"""Try each example of the S.Rocks document on real parts, as curl and requests send them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests

from shared.version import VERSION
from tests.e2e.documents.conftest import MAX_STORED_FILES, STRANGER, Door, asked, bearer, heard

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

KEY = "YOUR_KEY"
LOFI = "A lofi hip hop beat with smooth jazz piano and rain sounds"
EPIC = "Epic orchestral music with dramatic strings and powerful drums"
SITAR = "Traditional Indian classical music with sitar and tabla"


def test_the_root_is_a_health_check(open_door: Door, locked: Door) -> None:
    for door in (open_door, locked):
        told = door.http.get("/").json()
        assert list(told)[:4] == ["status", "model", "device", "version"]
        assert tuple(told.values())[:4] == ("healthy", "tiny", "cpu", VERSION)


@pytest.mark.parametrize(
    ("body", "duration", "guidance_scale", "temperature"),
    [
        ({"text": LOFI, "duration": 15, "guidance_scale": 3.0, "temperature": 1.0}, 15, 3.0, 1.0),
        ({"text": EPIC, "duration": 20}, 20, 3.0, 1.0),
        ({"text": "Ambient electronic music with synth pads", "duration": 15}, 15, 3.0, 1.0),
        ({"text": "Ambient electronic music with synth pads and gentle beats"}, 10, 3.0, 1.0),
        ({"text": SITAR, "duration": 1, "guidance_scale": 0, "temperature": 0}, 1, 0, 0),
        ({"text": SITAR, "duration": 30, "guidance_scale": 10, "temperature": 2}, 30, 10, 2),
    ],
)
def test_each_example_reaches_the_workers_as_it_was_sent(
    open_door: Door, body: dict[str, Any], duration: float, guidance_scale: float, temperature: float
) -> None:
    job, answer = open_door.overhear(lambda: open_door.http.post("/generate/", json=body))
    names = ("prompt", "duration", "guidance_scale", "temperature", "output_format", "model")
    expected = (body["text"], duration, guidance_scale, temperature, "wav", "tiny")
    assert tuple(asked(job.request, *names).values()) == expected
    assert (answer.status_code, answer.json()) == (500, {"detail": f"task {job.id} was cancelled"})


def test_the_python_example_makes_a_file_lists_and_downloads_it(open_door: Door, tmp_path: Path) -> None:
    response = requests.post(f"{open_door.url}/generate/", json={"text": LOFI, "duration": 1}, timeout=60)
    result = response.json()
    assert list(result) == ["file_url", "duration", "timestamp", "prompt"]
    assert (response.status_code, result["duration"], result["prompt"]) == (200, 1, LOFI)
    assert isinstance(result["duration"], int)
    assert re.fullmatch(r"\d{8}_\d{6}", result["timestamp"])
    assert re.fullmatch(rf"/files/gen_{result['timestamp']}_[0-9a-f]{{8}}\.wav", result["file_url"])
    saved = tmp_path / "generated_music.wav"
    saved.write_bytes(requests.get(f"{open_door.url}{result['file_url']}", timeout=10).content)
    assert heard(saved.read_bytes()) == (1, 1.0, 32_000)

    listed = requests.get(f"{open_door.url}/files/?limit=10", timeout=10).json()
    stamp = result["timestamp"]
    assert listed[0] == {
        "filename": result["file_url"].removeprefix("/files/"),
        "url": result["file_url"],
        "created_at": f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]}:{stamp[13:]}",
        "size_kb": round(saved.stat().st_size / 1024, 1),
    }
    assert requests.get(f"{open_door.url}/files/?limit=50&skip=0", timeout=10).json() == listed
    assert requests.get(f"{open_door.url}/files/?skip={len(listed)}", timeout=10).json() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": None}, "text is required"),
        ({"duration": 0.5}, "duration must be a number from 1 to 30"),
        ({"duration": 31}, "duration must be a number from 1 to 30"),
        ({"guidance_scale": -0.1}, "guidance_scale must be a number from 0 to 10"),
        ({"guidance_scale": 10.1}, "guidance_scale must be a number from 0 to 10"),
        ({"temperature": 2.1}, "temperature must be a number from 0 to 2"),
        ({"model_size": "small"}, "unknown parameter: model_size"),
    ],
)
def test_a_bad_parameter_is_a_400_with_a_detail(open_door: Door, change: dict[str, Any], words: str) -> None:
    answer = open_door.http.post("/generate/", json={"text": LOFI} | change)
    assert (answer.status_code, answer.json()) == (400, {"detail": words})


def test_an_empty_body_misses_its_text(open_door: Door) -> None:
    answer = open_door.http.post("/generate/")
    assert (answer.status_code, answer.json()) == (400, {"detail": "text is required"})


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=ten", "skip=-1"])
def test_a_page_outside_its_range_is_a_400(open_door: Door, query: str) -> None:
    answer = open_door.http.get(f"/files/?{query}")
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])


def test_a_file_that_does_not_exist_is_a_404(open_door: Door) -> None:
    answer = open_door.http.get("/files/gen_20250528_134211_a1b2c3d4.wav")
    assert (answer.status_code, list(answer.json())) == (404, ["detail"])


def test_without_a_key_it_is_a_401_with_a_detail(locked: Door) -> None:
    for answer in (locked.http.post("/generate/", json={"text": LOFI}), locked.http.get("/files/")):
        assert (answer.status_code, list(answer.json())) == (401, ["detail"])


def test_an_account_keeps_its_last_files_and_nobody_elses_key_reaches_them(locked: Door) -> None:
    made = []
    for number in range(MAX_STORED_FILES + 1):
        answer = locked.http.post("/generate/", json={"text": f"{number}", "duration": 1}, headers=bearer(KEY))
        assert answer.status_code == 200, answer.text
        made.append(answer.json()["file_url"])
    names = [url.partition("?")[0] for url in made]
    listed = locked.http.get("/files/", headers=bearer(KEY)).json()
    assert [entry["url"].partition("?")[0] for entry in listed] == names[:0:-1]
    assert [locked.http.get(url).status_code for url in made] == [404, 200, 200], "signed links need no key"
    assert [locked.http.get(name).status_code for name in names] == [401] * 3
    assert [locked.http.get(name, headers=bearer(STRANGER)).status_code for name in names] == [404] * 3
    assert locked.http.get("/files/", headers=bearer(STRANGER)).json() == []
