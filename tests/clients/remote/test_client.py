"""Use APIClient against the live API: what it sends, and what it says of what went wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import soundfile
from music_gen import APIClient, Task, errors

from tests.audio_fixtures import file_of, tone
from tests.clients.conftest import SLOW, Live

pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture
def client(live: Live) -> Iterator[APIClient]:
    with APIClient(live.key, live.url) as client:
        yield client


def test_the_published_example_works_with_the_published_base_address(live: Live, tmp_path: object) -> None:
    client = APIClient(api_key=live.key, base_url=f"{live.url}/api/v1/")
    result = client.generate("Jazz piano", duration=30)
    path = result.save(f"{tmp_path}/jazz.wav")
    assert soundfile.info(path).format == "WAV"
    assert (result.prompt, result.model) == ("Jazz piano", "tiny")
    assert result.task is not None
    assert result.task.status == "completed"
    client.close()


def test_a_melody_goes_as_a_file_and_progress_is_told_to_the_end(client: APIClient) -> None:
    told: list[Task] = []
    hum = file_of(tone(330, 1.0), 32_000)
    clip = client.generate("flute", 2, melody=hum, on_progress=told.append, output_format="mp3", cache=False, seed=3)
    assert clip.format == "mp3"
    assert soundfile.info(io.BytesIO(clip.data)).format == "MP3"
    assert (clip.seed, clip.task and clip.task.prompt) == (3, "flute")
    assert (told[-1].status, told[-1].progress) == ("completed", 100.0)


def test_a_failed_task_is_an_error_with_its_code_and_the_task(client: APIClient) -> None:
    with pytest.raises(errors.GenerationFailed, match="Out of memory") as caught:
        client.generate("please fail")
    assert caught.value.code == "GENERATION_FAILED"
    assert caught.value.task is not None
    assert caught.value.task.ended
    with pytest.raises(errors.GenerationFailed):
        client.download(caught.value.task)


def test_a_melody_that_cannot_be_opened_is_named_before_anything_is_sent(client: APIClient) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"no-such-hum\.wav") as caught:
        client.submit("x", melody="no-such-hum.wav")
    assert "melody" in caught.value.fields


def test_a_wrong_key_and_an_unknown_task_are_errors_of_their_own(live: Live, client: APIClient) -> None:
    with APIClient("nobody's", live.url) as stranger:
        for refused in (lambda: stranger.submit("x"), lambda: stranger.get("no-such-task")):
            with pytest.raises(errors.Unauthorized) as caught:
                refused()
            assert (caught.value.code, caught.value.status) == ("UNAUTHORIZED", 401)
    for path in ("no-such-task/../x", "no-such-task"):
        with pytest.raises(errors.NotFound) as missing:
            client.get(path)
        assert missing.value.code == "NOT_FOUND"


def test_a_task_can_be_followed_cancelled_and_purged(client: APIClient) -> None:
    task = client.submit(f"{SLOW} piano")
    names = []
    for event in client.events(task):
        names.append(event.name)
        if event.name == "progress":
            client.cancel(task)
    assert names[0] == "queued"
    assert names.index("started") < names.index("progress")
    assert names[-1] == "cancelled"
    assert event.task is not None
    assert event.task.status == "cancelled"
    with pytest.raises(errors.TaskCancelled):
        client.wait(task)
    client.purge(task)
    with pytest.raises(errors.NotFound):
        client.get(task)


def test_a_batch_comes_back_in_its_order_and_says_what_failed(client: APIClient) -> None:
    clips = client.generate_batch(["one", "two"], 1, seed=5)
    assert [(clip.prompt, clip.seed) for clip in clips] == [("one", 5), ("two", 5)]
    with pytest.raises(errors.BatchFailed, match="1 of 2") as caught:
        client.generate_batch(["fine", "please fail"], 1)
    assert [task.status for task in caught.value.batch.tasks] == ["completed", "failed"]
    assert client.download(caught.value.batch.tasks[0]).duration_s == 1.0
    with pytest.raises(errors.InvalidRequest) as refused:
        client.submit_batch([{"prompt": "fine"}, {"prompt": "x", "top_p": 3}])
    assert list(refused.value.fields) == ["requests[1].top_p"]


def test_variations_are_a_batch_under_consecutive_seeds(client: APIClient) -> None:
    hum = file_of(tone(330, 1.0), 32_000)
    batch = client.wait_batch(client.submit_variations("brass", 1, count=3, seed=7, melody=hum))
    assert [task.seed for task in batch.tasks] == [7, 8, 9]
    assert batch.counts["completed"] == 3
    with pytest.raises(errors.InvalidRequest, match="call submit"):
        client.submit_variations("brass", 1, count=1)
    slow = client.submit_batch([{"prompt": SLOW}, {"prompt": SLOW}])
    assert client.cancel_batch(slow).status == "cancelled"


def test_files_go_up_in_the_requests_of_a_batch_and_the_instruments_of_a_piece(
    client: APIClient, tmp_path: Path
) -> None:
    hum, path = file_of(tone(330, 1.0), 32_000), tmp_path / "hum.wav"
    path.write_bytes(file_of(tone(220, 2.0), 32_000))
    batch = client.submit_batch([{"prompt": "a", "melody": hum}, {"melody": path}, {"continue_audio": str(path)}])
    assert [task.melody_seconds for task in batch.tasks] == [1.0, 2.0, None]
    assert batch.tasks[2].raw["continued_seconds"] == 2.0
    sung = client.generate_batch(["a", "b"], 1, melody=path)
    assert [clip.task and clip.task.melody_seconds for clip in sung] == [2.0, 2.0]
    piece = client.submit_multi_instrument({"flute": {"prompt": "x", "melody": hum}, "drums": "y"}, 1)
    assert [client.get(part.task_id).melody_seconds for part in piece.parts] == [1.0, None]
    for field, refused in (
        ("requests[1].melody", lambda: client.submit_batch([{}, {"melody": "no-such-hum.wav"}])),
        ("instruments.flute.melody", lambda: client.multi_instrument({"flute": {"melody": "no-such-hum.wav"}})),
    ):
        with pytest.raises(errors.InvalidRequest, match=r"no-such-hum\.wav") as caught:
            refused()
        assert field in caught.value.fields


def test_impatience_leaves_the_task_alone_and_says_so(client: APIClient) -> None:
    task = client.submit(SLOW)
    with pytest.raises(errors.StillRunning, match="goes on"):
        client.wait(task, patience_s=0.3)
    assert not client.get(task).ended
    with pytest.raises(errors.MusicGenError, match="no audio yet"):
        client.download(task)
    client.cancel(task)


TRIO = {"piano": "calm piano in A minor", "bass": "walking bass", "drums": {"prompt": "brushes", "seed": 5}}


def test_a_piece_for_several_instruments_is_their_tracks_and_the_mix(client: APIClient) -> None:
    told: list[Task] = []
    tracks = client.multi_instrument(
        TRIO, 1, {"mix_preset": "jazz_club", "levels": {"bass": -2}, "tempo_bpm": 94}, seed=3, on_progress=told.append
    )
    assert list(tracks) == ["piano", "bass", "drums"]
    assert (tracks.tempo_bpm, tracks.key, tracks["drums"].seed) == (94, "A minor", 5)
    assert tracks["bass"].prompt == "walking bass in A minor, at 94 bpm"
    assert tracks.mix.task is not None
    assert [part.name for part in tracks.mix.task.parts] == list(tracks)
    assert (tracks.mix.task.mix_preset, told[-1].status) == ("jazz_club", "completed")
    assert (client.download_tracks(tracks.mix.task).mix.data, tracks.mix.duration_s) == (tracks.mix.data, 1.0)


def test_a_piece_is_mixed_again_from_its_stems_with_what_is_to_be_other(client: APIClient) -> None:
    tracks = client.multi_instrument(TRIO, 1, {"mix_preset": "jazz_club", "levels": {"piano": -2}})
    assert tracks.mix.task is not None
    again = client.remix(tracks.mix.task, {"levels": {"drums": -96}, "mix_preset": None, "output_format": "flac"})
    assert {name: clip.data for name, clip in again.items()} == {name: clip.data for name, clip in tracks.items()}
    task = again.mix.task
    assert task is not None
    assert (task.mix_of, task.mix_preset, task.loudness) == (tracks.mix.task.id, None, -16)
    assert [part.level for part in task.parts] == [0, 0, -96]
    assert (again.mix.data[:4], again.mix.duration_s) == (b"fLaC", 1.0)
    same = client.submit_remix(task.id)
    assert [(part.level, part.panning) for part in same.parts] == [(0, 0), (0, 0), (-96, 0)]
    with pytest.raises(errors.InvalidRequest) as refused:
        client.remix(task, {"levels": {"guitar": 1}})
    assert list(refused.value.fields) == ["levels.guitar"]
    with pytest.raises(errors.Conflict, match="is a part of"):
        client.remix(task.parts[0].task_id)


def test_a_piece_whose_part_fails_names_it_and_what_is_wrong_with_the_settings_is_told(client: APIClient) -> None:
    with pytest.raises(errors.GenerationFailed, match="drums") as caught:
        client.multi_instrument({"piano": "calm", "drums": {"prompt": "please fail"}}, 1, {"key": "A minor"})
    assert caught.value.code == "PART_FAILED"
    assert caught.value.task is not None
    assert {part.name: part.status for part in caught.value.task.parts}["drums"] == "failed"
    with pytest.raises(errors.InvalidRequest) as refused:
        client.multi_instrument({"piano": ""}, 1, {"mix_preset": "moon", "levels": {"bass": 1}})
    assert set(refused.value.fields) == {"instruments.piano", "mix_preset", "levels.bass"}


def test_a_clip_goes_on_from_a_task_or_a_file(client: APIClient) -> None:
    first = client.wait(client.submit("calm piano", 1, seed=9))
    second = client.submit(duration=3, continue_from=first, continue_seconds=0.5)
    assert (second.prompt, second.raw["continue_from"], second.raw["continued_seconds"]) == (
        "calm piano",
        first.id,
        0.5,
    )
    cut = client.submit(duration=3, continue_from=first, continue_at=0.75)
    assert cut.raw["continued_seconds"] == 0.75
    with pytest.raises(errors.InvalidRequest, match="continue_seconds"):
        client.submit("x", 1, continue_from=first.id)
    uploaded = client.submit("brass", 3, continue_audio=file_of(tone(330, 1.0), 32_000))
    assert (uploaded.raw["continue_from"], uploaded.raw["continued_seconds"]) == (None, 1.0)


def test_a_clip_is_fetched_in_another_format_than_it_was_made_in(client: APIClient, tmp_path: Path) -> None:
    task = client.wait(client.submit("calm piano", 1, seed=9))
    kept, converted = client.download(task), client.download(task, "opus")
    assert (kept.format, converted.format, converted.data[:4]) == ("wav", "opus", b"OggS")
    assert (kept.sample_rate_hz, converted.sample_rate_hz) == (32_000, 48_000)
    assert converted.save(tmp_path / "clip.opus").read_bytes() == converted.data
    with pytest.raises(errors.InvalidRequest, match="send one of wav"):
        client.download(task, "midi")


def test_a_task_is_kept_found_again_and_shared_without_a_key(client: APIClient) -> None:
    task = client.wait(client.submit("calm piano", 1, seed=9))
    edited = client.edit(task, title="Rêverie", favourite=True)
    assert (edited.title, edited.favourite, client.edit(task, title="").title) == ("Rêverie", True, None)
    client.edit(task, title="Rêverie of one test")
    assert [each.id for each in client.recent(q="reverie TEST")] == [task.id]
    assert [each.id for each in client.recent(favourite=True)] == [task.id]
    share, hour = client.share(task), client.share(task, expires_in_s=3600)
    assert [each.id for each in client.shares(task)] == [share.id, hour.id]
    assert "Rêverie of one test</h1>" in httpx.get(share.url).text
    client.withdraw(share)
    with pytest.raises(errors.NotFound, match="was withdrawn"):
        client.withdraw(share)
    assert (httpx.get(share.url).status_code, httpx.get(hour.url).status_code) == (410, 200)
    assert client.edit(task, favourite=False).favourite is None
    with pytest.raises(errors.InvalidRequest, match="expires_in_s"):
        client.share(task, 60)


def test_a_tempo_and_a_key_go_along_for_one_clip_for_a_batch_and_for_variations(client: APIClient) -> None:
    clip = client.generate("calm piano", 1, tempo_bpm=94, key="A minor")
    assert clip.prompt == "calm piano in A minor, at 94 bpm"
    assert clip.task is not None
    assert (clip.task.tempo_bpm, clip.task.key) == (94, "A minor")
    made = client.generate_batch(["calm piano", "drums at 120 bpm"], 1, tempo_bpm=94)
    assert [each.prompt for each in made] == ["calm piano, at 94 bpm", "drums at 120 bpm"]
    assert made[1].warnings == ("tempo_bpm: 94 was not used, as the prompt names 120 bpm",)
    varied = client.submit_variations("calm piano", 1, count=2, key="A minor")
    assert {task.prompt for task in varied.tasks} == {"calm piano in A minor"}
