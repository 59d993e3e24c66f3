"""GET /tasks/<id>/audio?format=: the kept clip in another format, as if it were made in it now, whole and in ranges."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import Allowance, Keys
from api.conversion.converter import Converter
from api.uploads.decoder_slots import open_slots
from shared.audio.decode import decode
from shared.audio.encode import encode
from shared.audio.tags import tags_of
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.music.formats import FORMATS
from shared.settings import Settings
from shared.storage import open_storage
from tests.api.routes.test_batches import fields_of
from tests.audio_fixtures import square, tone
from tests.shared.audio.test_tags import tags_in
from tests.shared.steps import claim, result_for

MUSIC = tone(440, 2.0, peak=0.7)
Finish = Callable[[Job, bytes], Job]
Make = Callable[..., Job]


@pytest.fixture
def make(api: FlaskClient, store: JobStore, finish: Finish) -> Make:
    """A completed task whose kept file is what a worker would have written."""

    def make(headers: dict[str, str] | None = None, music: Any = MUSIC, **fields: Any) -> Job:
        asked = {"prompt": "slow harp", "duration": 2, "seed": 7, "title": "Night 夜"} | fields
        answer = api.post("/tasks", json=asked, headers=headers)
        assert answer.status_code == 202, answer.text
        job = claim(store)
        return finish(job, encode(music, 32_000, "wav", tags=tags_of(job)).data)

    return make


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats for which a process was started, as they are."""
    started: list[str] = []
    run_child = Converter._run_child

    def noted(self: Converter, order: dict[str, Any], files: Any) -> dict[str, Any]:
        started.append(order["output_format"])
        return run_child(self, order, files)

    monkeypatch.setattr(Converter, "_run_child", noted)
    return started


def test_a_kept_clip_is_given_in_every_format_with_the_tags_and_level_of_one_that_is_made_in_it(
    settings: Settings, make: Make, conversions: list[str], ffmpeg: str
) -> None:
    loud = make(music=tone(440, 2.0, peak=0.99))

    def fetched(name: str) -> Any:
        return create_app(settings).test_client().get(f"/tasks/{loud.id}/audio?format={name.upper()}")

    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(FORMATS, pool.map(fetched, FORMATS), strict=True))
    for name, answer in answers.items():
        assert (answer.status_code, answer.mimetype) == (200, FORMATS[name].media_type), answer.text
        assert f'"{loud.id}.{FORMATS[name].extension}"' in answer.headers["Content-Disposition"]
        found = tags_in(answer.data)
        assert found["title"] == "Night 夜"
        assert json.loads(found["comment"]) == {"prompt": "slow harp", "seed": 7, "model": "tiny"}
        fresh = encode(tone(440, 2.0, peak=0.99), 32_000, name, tags=tags_of(loud), ffmpeg=ffmpeg)
        wanted, rate_hz = decode(fresh.data, fresh.extension)
        samples, found_hz = decode(answer.data, fresh.extension)
        assert (samples.shape, found_hz) == (wanted.shape, rate_hz)
        assert samples.std() == pytest.approx(wanted.std(), rel=0.01), name
        if not FORMATS[name].lossy:
            assert answer.data == fresh.data, "of samples that are kept nothing is lost"
    assert sorted(conversions) == sorted(set(FORMATS) - {"wav"})


def test_ranges_and_etags_are_those_of_the_converted_file_which_is_made_once(
    api: FlaskClient, make: Make, conversions: list[str]
) -> None:
    path = f"/tasks/{make().id}/audio?format=flac"
    whole = api.get(path)
    etag, size = whole.headers["ETag"], len(whole.data)
    assert (whole.headers["Accept-Ranges"], whole.headers["Content-Length"]) == ("bytes", str(size))
    part = api.get(path, headers={"Range": "bytes=100-199", "If-Range": etag})
    assert (part.status_code, part.headers["Content-Range"]) == (206, f"bytes 100-199/{size}")
    assert part.data == whole.data[100:200]
    assert api.get(path, headers={"Range": "bytes=-10"}).data == whole.data[-10:]
    assert api.get(path, headers={"Range": "bytes=100-199", "If-Range": '"other"'}).data == whole.data
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert api.get(path, headers={"Range": f"bytes={size}-"}).status_code == 416
    head = api.head(path)
    assert (head.headers["ETag"], head.headers["Content-Length"], head.data) == (etag, str(size), b"")
    assert api.get(path.partition("?")[0]).headers["ETag"] != etag
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda _: api.application.test_client().get(path).data, range(4)))
    assert set(at_once) == {whole.data}
    assert conversions == ["flac"]


def test_a_streamed_lossy_clip_that_passes_full_scale_is_scaled_and_not_wrapped(
    api: FlaskClient, store: JobStore, settings: Settings
) -> None:
    api.post("/tasks", json={"prompt": "x", "duration": 2, "stream": True, "output_format": "ogg"})
    job = claim(store)
    kept = encode(square(110, 2.0, peak=0.98), 32_000, "ogg", streamed=True).data
    storage = open_storage(settings)
    stored = storage.put(storage.names.result(job.id, job.attempt, "ogg"), kept, "audio/ogg")
    store.complete(job, replace(result_for(job, stored.key), bytes=stored.bytes, sha256=stored.sha256))
    decoded = decode(kept, "ogg")[0]
    assert abs(decoded).max() > 1.0
    converted = decode(api.get(f"/tasks/{job.id}/audio?format=wav").data, "wav")[0]
    scaled = decoded * (10 ** (-0.1 / 20) / abs(decoded).max())
    assert abs(converted - scaled).max() < 0.001


def test_converted_bytes_count_for_the_account_a_range_as_much_as_it_is(
    make_settings: Callable[..., Settings], open_api: Callable[..., FlaskClient], client: Any, make: Make
) -> None:
    key, _ = Keys(client).create("one", Allowance(monthly_bytes=40_000))
    mine = {"X-API-Key": key}
    task = make(headers=mine)
    api = open_api(make_settings())
    path = f"/tasks/{task.id}/audio?format=ogg"
    sent = [len(api.get(path, headers=mine).data), len(api.get(path, headers=mine | {"Range": "bytes=0-99"}).data)]
    assert api.get("/usage", headers=mine).get_json()["bandwidth"]["used"] == sum(sent)
    assert sent[1] == 100
    link = api.get(f"/tasks/{task.id}", headers=mine).get_json()["audio_url"]
    assert api.get(f"{link}&format=ogg", headers={"Range": "bytes=0-99"}).status_code == 206, "signed for any format"
    assert api.get(path).status_code == 401
    other, _ = Keys(client).create("two", Allowance())
    assert api.get(path, headers={"X-API-Key": other}).status_code == 404
    assert api.get(f"/tasks/{task.id}/audio", headers=mine).status_code == 429, "64 kB are more than is left"


def test_what_cannot_be_converted_is_refused_with_the_field_and_a_remedy(
    make_settings: Callable[..., Settings], open_api: Callable[..., FlaskClient], make: Make
) -> None:
    api = open_api(make_settings(ffmpeg="/nowhere/ffmpeg"))
    waits = api.post("/tasks", json={"prompt": "x"}).get_json()["task_id"]
    assert api.get(f"/tasks/{waits}/audio?format=mp3").status_code == 409
    api.delete(f"/tasks/{waits}")
    done = make().id
    bad = api.get(f"/tasks/{done}/audio?format=midi")
    assert (bad.status_code, fields_of(bad.get_json())) == (400, ["format"])
    assert "send one of wav, mp3, ogg" in bad.get_json()["error"]["message"]
    lacking = api.get(f"/tasks/{done}/audio?format=m4a").get_json()["error"]
    assert (lacking["code"], lacking["details"]["fields"][0]["field"]) == ("FORMAT_UNAVAILABLE", "format")
    assert "m4a needs an ffmpeg program, which this API server does not have" in lacking["message"]
    storage = open_storage(make_settings())
    storage.put(key := f"ostinato/results/{done}/1.wav", storage.read(key)[:-1], "audio/wav")
    assert api.get(f"/tasks/{done}/audio?format=flac").status_code == 404


def test_a_conversion_waits_for_a_slot_and_ends_in_time(
    make_settings: Callable[..., Settings], open_api: Callable[..., FlaskClient], make: Make
) -> None:
    task = make()
    hasty = make_settings(conversion_timeout_s=0.05)
    late = open_api(hasty).get(f"/tasks/{task.id}/audio?format=mp3")
    assert (late.status_code, late.headers["Retry-After"]) == (503, "5")
    assert "took longer than 0.05 s" in late.get_json()["error"]["message"]
    slots = open_slots(hasty)
    with ExitStack() as stack:
        for _ in range(slots.total):
            stack.enter_context(slots.acquire("local", 1.0))
        busy = open_api(hasty).get(f"/tasks/{task.id}/audio?format=mp3").get_json()["error"]
    assert "too many recordings are being decoded or converted" in busy["message"]


def test_what_is_left_of_a_damaged_clip_breaks_its_own_process_alone(
    api: FlaskClient, store: JobStore, finish: Finish
) -> None:
    api.post("/tasks", json={"prompt": "x", "duration": 2})
    task = finish(claim(store), b"RIFF, and nothing that follows from it")
    answer = api.get(f"/tasks/{task.id}/audio?format=mp3")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "CONVERSION_FAILED")
    assert "take another format, or the kept one" in answer.get_json()["error"]["message"]
