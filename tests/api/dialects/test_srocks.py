"""Try /generate/ and /files/ by each example of the S.Rocks document."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from shared.jobs.reader import JobReader
from shared.settings import Settings
from tests.api.dialects.conftest import ALIASES, FAILING_PROMPT, Player


def test_the_index_says_how_the_service_is(api: FlaskClient) -> None:
    answer = api.get("/").json
    assert answer is not None
    assert (answer["status"], answer["model"], answer["device"]) == ("healthy", "tiny", "cpu")
    assert answer["version"]


def test_the_documents_example_is_answered_field_by_field(api: FlaskClient) -> None:
    text = "A lofi hip hop beat with smooth jazz piano and rain sounds"
    body = {"text": text, "duration": 15, "guidance_scale": 3.0, "temperature": 1.0}
    answer = api.post("/generate/", json=body)
    assert answer.status_code == 200, answer.json
    made = answer.json
    assert made is not None
    assert list(made) == ["file_url", "duration", "timestamp", "prompt"]
    assert made["duration"] == 15
    assert made["prompt"] == text
    assert re.fullmatch(r"\d{8}_\d{6}", made["timestamp"])
    assert re.fullmatch(rf"/files/gen_{made['timestamp']}_[0-9a-f]{{8}}\.wav", made["file_url"])
    assert api.get(made["file_url"]).data[:4] == b"RIFF"


def test_guidance_0_and_temperature_0_are_legal_and_10_seconds_are_usual(api: FlaskClient, player: Player) -> None:
    assert api.post("/generate/", json={"text": "x", "guidance_scale": 0, "temperature": 0}).status_code == 200
    asked = player.seen[-1].request
    assert (asked.guidance_scale, asked.temperature, asked.duration_s) == (0.0, 0.0, 10.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": ""}, "text is required"),
        ({"text": None}, "text is required"),
        ({"duration": 0}, "duration must be a number from 1 to 30"),
        ({"duration": 31}, "duration must be a number from 1 to 30"),
        ({"guidance_scale": 10.1}, "guidance_scale must be a number from 0 to 10"),
        ({"temperature": -1}, "temperature must be a number from 0 to 2"),
        ({"seed": 1}, "unknown parameter: seed"),
    ],
)
def test_bad_parameters_are_a_400_with_a_detail(api: FlaskClient, change: dict[str, Any], words: str) -> None:
    answer = api.post("/generate/", json={"text": "x"} | change)
    assert (answer.status_code, answer.json) == (400, {"detail": words})


def test_a_failed_generation_is_a_500_with_a_detail(api: FlaskClient) -> None:
    answer = api.post("/generate/", json={"text": FAILING_PROMPT})
    assert (answer.status_code, answer.json) == (500, {"detail": "Model loading failed: Out of memory"})


def test_files_are_listed_newest_first_and_only_those_of_this_document(api: FlaskClient) -> None:
    names = [api.post("/generate/", json={"text": f"{n}", "duration": 1}).json["file_url"] for n in range(3)]
    api.post("/generate", json={"prompt": "another document's", "duration": 1})
    listed = api.get("/files/").json
    assert listed is not None
    assert [entry["url"] for entry in listed] == names[::-1]
    assert list(listed[0]) == ["filename", "url", "created_at", "size_kb"]
    assert listed[0]["filename"] == names[-1].removeprefix("/files/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", listed[0]["created_at"])
    assert listed[0]["size_kb"] == pytest.approx(len(api.get(names[-1]).data) / 1024, abs=0.1)
    assert [entry["url"] for entry in api.get("/files/?limit=1&skip=1").json] == [names[1]]


def test_a_file_is_found_by_its_name_and_not_by_reading_all_of_them(
    api: FlaskClient, dialect_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [api.post("/generate/", json={"text": f"{n}", "duration": 1}).json["file_url"] for n in range(4)]
    fresh, read = create_app(dialect_settings).test_client(), list[str]()
    read_records = JobReader.records
    monkeypatch.setattr(JobReader, "records", lambda self, ids, at: read.extend(ids) or read_records(self, ids, at))
    assert fresh.get(urls[1]).status_code == 200
    assert [job_id[:8] for job_id in read] == [urls[1][-12:-4]]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "skip=-1"])
def test_a_bad_page_is_a_400(api: FlaskClient, query: str) -> None:
    answer = api.get(f"/files/?{query}")
    assert answer.status_code == 400
    assert "detail" in (answer.json or {})


@pytest.mark.parametrize(
    "name",
    ["nothing.wav", "gen_20250528_134211_a1b2c3d4.wav", "gen_20259999_134211_a1b2c3d4.wav", "..%2f..%2fetc%2fpasswd"],
)
def test_a_file_that_is_not_there_is_a_404(api: FlaskClient, name: str) -> None:
    answer = api.get(f"/files/{name}")
    assert answer.status_code == 404
    assert "detail" in (answer.json or {})


def test_only_the_last_files_are_kept(player: Player, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(model_aliases=ALIASES, default_model="small", max_stored_files=2)
    api = create_app(settings).test_client()
    urls = [api.post("/generate/", json={"text": f"{n}", "duration": 1}).json["file_url"] for n in range(4)]
    assert [entry["url"] for entry in api.get("/files/").json] == urls[:1:-1]
    assert [api.get(url).status_code for url in urls] == [404, 404, 200, 200]
