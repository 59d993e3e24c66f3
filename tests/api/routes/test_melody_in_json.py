"""Recordings in JSON, as data: URIs, on every route that takes them: read, kept and refused as the files of a form."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.app import create_app
from api.uploads import decoded_uploads
from shared.errors import InvalidMelody
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.audio_fixtures import data_uri, file_of, silence, tone
from tests.shared.steps import claim
from tests.stored import stored_files

HUM = file_of(tone(330, 1.0), 32_000)
SONG = file_of(tone(220, 2.0, channels=2), 32_000, "flac")
MELODY, BEGINNING = data_uri(HUM), data_uri(SONG, "audio/flac")
FORM = "multipart/form-data"
Answer = dict[str, Any]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the accounts for which decoders were started."""
    started, decode = list[str](), decoded_uploads.decode_melody

    def count(*given: Any, **how: Any) -> Any:
        started.append(how["account"])
        return decode(*given, **how)

    monkeypatch.setattr(decoded_uploads, "decode_melody", count)
    return started


def send(api: FlaskClient, path: str, body: object, status: int = 202, **headers: str) -> Answer:
    answer = api.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return dict(answer.get_json())


def faults(answer: Answer) -> list[str]:
    return [fault["field"] for fault in answer["error"]["details"]["fields"]]


def kinds(settings: Settings) -> list[str]:
    return sorted(key.rpartition("/")[2] for key in stored_files(settings.local_storage_path))


def test_the_same_recordings_from_a_form_and_from_json_are_one_request(
    api: FlaskClient, store: JobStore, settings: Settings
) -> None:
    form = {"prompt": "x", "duration": "4", "melody": (io.BytesIO(HUM), "a"), "continue_audio": (io.BytesIO(SONG), "b")}
    first = api.post("/tasks", data=form, content_type=FORM, headers={"Idempotency-Key": "k"}).get_json()
    body = {"prompt": "x", "duration": 4, "melody": MELODY, "continue_audio": BEGINNING}
    again = api.post("/tasks", json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (202, "true"), again.text
    assert again.get_json()["task_id"] == first["task_id"]
    assert kinds(settings) == ["beginning.flac", "melody.flac"], "what came again was dropped"
    alone = send(api, "/tasks", body)
    told = ("melody_seconds", "beginning_seconds", "continued_seconds", "continue_from")
    assert {name: alone[name] for name in told} == {name: first[name] for name in told}
    assert (alone["melody_seconds"], alone["beginning_seconds"]) == (1.0, 2.0)


def test_equal_music_is_made_once_whichever_way_its_melody_came(
    api: FlaskClient, store: JobStore, finish: Callable[[Job, bytes], Job]
) -> None:
    form = {"prompt": "x", "seed": "5", "melody": (io.BytesIO(HUM), "hum.wav")}
    assert api.post("/tasks", data=form, content_type=FORM).status_code == 202
    finish(claim(store), b"music")
    assert send(api, "/tasks", {"prompt": "x", "seed": 5, "melody": MELODY})["status"] == "completed"


def test_what_is_odd_about_a_recording_is_told(api: FlaskClient) -> None:
    never_closed = bytearray(HUM)
    never_closed[4:8] = never_closed[40:44] = b"\xff" * 4
    told = [
        send(api, "/tasks", {"prompt": "x", "melody": data_uri(bytes(never_closed))}),
        api.post("/tasks", data={"prompt": "x", "melody": (io.BytesIO(bytes(never_closed)), "a")}).get_json(),
    ]
    assert told[0].get("warnings") == told[1].get("warnings")
    assert told[0]["melody_seconds"] == told[1]["melody_seconds"]


def test_variations_share_one_melody(api: FlaskClient, settings: Settings, decoded: list[str]) -> None:
    batch = send(api, "/tasks", {"prompt": "brass", "variations": 3, "melody": MELODY})
    assert [task["melody_seconds"] for task in batch["tasks"]] == [1.0, 1.0, 1.0]
    assert (kinds(settings), decoded) == (["melody.flac"], ["local"])


def test_each_request_of_a_batch_has_its_own_and_equal_ones_are_decoded_and_kept_once(
    api: FlaskClient, store: JobStore, settings: Settings, decoded: list[str]
) -> None:
    requests = [
        {"prompt": "a", "melody": MELODY},
        {"prompt": "b"},
        {"prompt": "c", "melody": MELODY},
        {"prompt": "", "duration": 4, "continue_audio": BEGINNING},
        {"prompt": "e", "duration": 4, "continue_audio": BEGINNING, "continue_seconds": 1},
        {"prompt": "f", "melody": None},
    ]
    batch = send(api, "/tasks/batch", {"requests": requests}, **{"Idempotency-Key": "k"})
    assert [task.get("melody_seconds") for task in batch["tasks"]] == [1.0, None, 1.0, None, None, None]
    assert [task.get("continued_seconds") for task in batch["tasks"]] == [None, None, None, 2.0, 1.0, None]
    assert kinds(settings) == ["beginning.flac", "beginning.flac", "melody.flac"]
    assert len(decoded) == 3
    assert (
        send(api, "/tasks/batch", {"requests": requests}, **{"Idempotency-Key": "k"})["batch_id"] == batch["batch_id"]
    )
    assert len(stored_files(settings.local_storage_path)) == 3
    for task in batch["tasks"]:
        assert api.delete(f"/tasks/{task['task_id']}?purge=1").status_code == 200
    assert stored_files(settings.local_storage_path) == []


def test_a_batch_that_is_refused_leaves_no_recording_behind(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(max_queue_length=1)
    api = open_api(settings)
    send(api, "/tasks", {"prompt": "x"})
    send(api, "/tasks/batch", {"requests": [{"prompt": "a", "melody": MELODY}]}, 429)
    assert stored_files(settings.local_storage_path) == []


@pytest.mark.parametrize("path", ["/tasks/multi-instrument", "/api/v1/multi-instrument"])
def test_a_part_follows_a_melody_of_its_own_and_the_others_follow_the_first_one(
    api: FlaskClient, store: JobStore, settings: Settings, path: str
) -> None:
    instruments = {
        "piano": {"prompt": "x", "melody": MELODY},
        "bass": "y",
        "flute": {"prompt": "", "melody": MELODY},
        "drums": {"prompt": "z", "continue_audio": BEGINNING, "continue_seconds": 1},
    }
    task = send(api, path, {"instruments": instruments, "duration": 4})
    named = {part["name"]: part["task_id"] for part in api.get(f"/tasks/{task['task_id']}").get_json()["parts"]}
    jobs = {name: store.reader.get(task_id) for name, task_id in named.items()}
    assert {name: job.melody_of for name, job in jobs.items()} == {
        "piano": None, "bass": jobs["piano"].id, "flute": None, "drums": None
    }  # fmt: skip
    shown = {name: api.get(f"/tasks/{task_id}").get_json() for name, task_id in named.items()}
    assert {name: each.get("melody_seconds") for name, each in shown.items()} == {
        "piano": 1.0, "bass": None, "flute": 1.0, "drums": None
    }  # fmt: skip
    assert shown["drums"]["continued_seconds"] == 1.0
    assert kinds(settings) == ["beginning.flac", "melody.flac"]


def test_a_piece_with_a_melody_is_made_by_a_model_that_hears_such(
    client: redis.Redis, settings: Settings, store: JobStore
) -> None:
    for number, name in enumerate(("small", "melody")):
        WorkerRegistry(client, settings).announce(
            replace(TINY, worker=f"w{number}", model=name, melody=name == "melody", size="300M")
        )
    api = create_app(settings).test_client()
    instruments = {"drums": "beat", "piano": {"prompt": "x", "melody": MELODY}}
    task = send(api, "/tasks/multi-instrument", {"instruments": instruments, "model": "small"})
    assert {store.reader.get(part["task_id"]).model for part in task["parts"]} == {"melody"}


def test_faults_of_a_part_alone_are_told_under_its_name(api: FlaskClient) -> None:
    piano = {"prompt": "x", "melody": "https://example.com/hum.wav", "follow": True}
    flute = {"prompt": "y", "continue_audio": BEGINNING}
    answer = send(api, "/tasks/multi-instrument", {"instruments": {"piano": piano, "flute": flute}, "duration": 2}, 400)
    assert faults(answer) == ["instruments.piano.follow", "instruments.piano.melody", "instruments.flute.duration"]


# each route's words


def native(answer: Answer) -> str:
    return str(answer["error"]["message"])


def text(answer: Answer) -> str:
    return str(answer["error"])


Route = tuple[str, Callable[[object], Answer], int, Callable[[Answer], str], str]
ROUTES: Mapping[str, Route] = {
    "task": ("/tasks", lambda uri: {"prompt": "x", "melody": uri}, 400, native, "melody: "),
    "beginning": (
        "/tasks", lambda uri: {"prompt": "x", "continue_audio": uri}, 400, native, "continue_audio: "
    ),
    "batch": (
        "/tasks/batch", lambda uri: {"requests": [{"prompt": "x", "melody": uri}]}, 400, native, "requests[0].melody: "
    ),
    "piece": (
        "/tasks/multi-instrument", lambda uri: {"instruments": {"piano": {"prompt": "x", "melody": uri}}}, 400, native,
        "instruments.piano.melody: ",
    ),
    "music gen ai": (
        "/api/v1/multi-instrument", lambda uri: {"instruments": {"piano": {"prompt": "x", "melody": uri}}}, 400, native,
        "instruments.piano.melody: ",
    ),
    "audiocraft": ("/generate-with-melody", lambda uri: {"prompt": "x", "melody": uri}, 400, text, "melody: "),
    "runpod": ("/v2/tiny/run", lambda uri: {"input": {"prompt": "x", "melody": uri}}, 200, text, "melody: "),
}  # fmt: skip


@pytest.fixture
def dialects(open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings]) -> FlaskClient:
    return open_api(make_settings(model_aliases={"medium": "tiny"}, max_body_mb=1.0))


@pytest.mark.parametrize("route", ROUTES)
def test_a_bad_one_is_refused_in_the_words_of_its_route(dialects: FlaskClient, route: str) -> None:
    path, body, status, words, named = ROUTES[route]
    for uri, why in (
        ("https://example.com/hum.wav", "is an address, and nothing is fetched from addresses; send data:audio/wav"),
        (data_uri(HUM, "text/html"), "is a data: URI of the type 'text/html', which is no audio; send data:audio/wav"),
        (data_uri(HUM)[:-3], "has base64 that was cut off"),
        ("data:audio/wav;base64,", "is a data: URI with nothing in it"),
        ("data:audio/wav,%52%49", "percent-encoding is not read"),
        (data_uri(HUM).replace("AAAA", "AA\nAA", 1), "line break"),
        (data_uri(b"these are words, not sound"), "the file is "),
        (7, "is no data: URI"),
    ):
        answer = dialects.post(path, json=body(uri))
        assert answer.status_code == status, answer.text
        told = words(answer.get_json())
        assert told.startswith(named), told
        assert why in told, told
        assert len(answer.data) < 4096
        if path.startswith("/v2/"):
            assert answer.get_json()["status"] == "FAILED"


@pytest.mark.parametrize("route", ROUTES)
def test_more_audio_than_a_body_may_have_is_a_413_in_the_words_of_its_route(dialects: FlaskClient, route: str) -> None:
    path, body, _, words, _ = ROUTES[route]
    for size, setting in ((2**20 + 3, "(MAX_BODY_MB)"), (2 * 2**20, "(4/3 of MAX_BODY_MB, and 1 MB)")):
        answer = dialects.post(path, json=body(data_uri(b"x" * size)))
        assert (answer.status_code, setting in words(answer.get_json())) == (413, True), answer.text


def test_all_audio_of_a_request_counts_together_and_its_text_apart(dialects: FlaskClient) -> None:
    half = data_uri(HUM.ljust(600_000, b"\0"))
    for body in ({"melody": half, "continue_audio": half}, {"requests": [{"melody": half}, {"melody": half}]}):
        answer = send(dialects, "/tasks/batch" if "requests" in body else "/tasks", body, 413)
        assert answer["error"]["details"] == {"limit": "MAX_BODY_MB", "bytes": 2**20}
    answer = send(dialects, "/tasks", {"prompt": "x" * (2**20 + 1), "melody": half}, 413)
    assert answer["error"]["details"]["limit"] == "MAX_JSON_KB"
    assert faults(send(dialects, "/tasks", {"prompt": "x" * 900_000, "melody": half}, 400)) == ["prompt"]


def test_a_field_of_another_kind_may_not_be_a_recording(dialects: FlaskClient) -> None:
    """Nor does one become audio by standing where nobody looks for it."""
    for body in ({"title": {"melody": MELODY}}, {"webhook_events": [{"melody": MELODY}]}):
        answer = send(dialects, "/tasks", {"prompt": "x"} | body, 400)
        assert faults(answer) == list(body)
        assert len(str(answer)) < 2000
    assert "unknown field" in native(
        send(dialects, "/tasks/multi-instrument", {"instruments": {"a": "b"}, "melody": MELODY}, 400)
    )
    for path, body in (
        ("/api/v1/generate", {"prompt": "x"}),
        ("/generate", {"prompt": "x"}),
        ("/generate/", {"text": "x"}),
    ):
        assert dialects.post(path, json=body | {"melody": MELODY}).status_code == 400


def test_so_much_sound_in_one_request_and_no_more(
    api: FlaskClient, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(decoded_uploads, "MOST_S", 0.0)
    monkeypatch.setattr(decoded_uploads, "OF_LONGEST", 0.0)
    answer = send(api, "/tasks/batch", {"requests": [{"prompt": "a", "melody": MELODY}] * 2}, 400)
    assert faults(answer) == ["requests[0].melody", "requests[1].melody"]
    assert "together" in native(answer)


def test_of_many_that_cannot_be_used_only_the_first_ones_are_looked_at(
    api: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = list[str]()

    def refuse(*_: object, account: str, **__: object) -> None:
        started.append(account)
        raise InvalidMelody("the file is no audio; send another")

    monkeypatch.setattr(decoded_uploads, "decode_melody", refuse)
    requests = [{"prompt": "x", "melody": data_uri(b"no sound %d" % n)} for n in range(100)]
    answer = send(api, "/tasks/batch", {"requests": requests}, 400)
    assert (len(started), len(faults(answer)), answer["error"]["details"]["more"]) == (20, 20, 80)


def test_a_silent_one_is_heard_and_refused_as_a_file_is(api: FlaskClient) -> None:
    quiet = file_of(silence(), 32_000)
    by_form = api.post("/tasks", data={"prompt": "x", "melody": (io.BytesIO(quiet), "a.wav")}).get_json()
    assert send(api, "/tasks", {"prompt": "x", "melody": data_uri(quiet)}, 400) == by_form
