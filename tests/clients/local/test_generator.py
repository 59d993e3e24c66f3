"""Make music in this process with the shipped model: the page's example, the same again, refusals, the command.

That the local half needs no broker, no server and none of their libraries is held in tests/test_house_rules.py.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from music_gen import AudioOutput, MultiInstrumentGenerator, MusicGenerator, Tracks, errors
from music_gen.cli import main

from mixing import PRESETS, Audio, measure
from shared.audio.tags import tags_for
from shared.music.request import MusicRequest
from shared.settings import ROOT
from tests.audio_fixtures import file_of, tone
from tests.clients.test_documentation import examples

pytestmark = [pytest.mark.xdist_group("engine of the client"), pytest.mark.slow]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return what the page's example leaves behind, up to its last line; `generator` is still open."""
    torch.set_num_threads(1)
    folder, before = tmp_path_factory.mktemp("local"), Path.cwd()
    (example,) = examples("python local")
    body, closing = example.rstrip().rsplit("\n", 1)
    assert closing == "generator.close()"
    names: dict[str, Any] = {"folder": folder}
    os.chdir(folder)
    try:
        exec(body, names)
    finally:
        os.chdir(before)
    yield names
    exec(closing, names)


def test_the_pages_example_makes_its_files_and_the_same_seed_the_same_music(page: dict[str, Any]) -> None:
    generator: MusicGenerator = page["generator"]
    audio: AudioOutput = page["audio"]
    told: list[float] = []
    again = generator.generate("calm piano", duration=1.0, temperature=0.8, seed=7, on_progress=told.append)
    np.testing.assert_array_equal(again.numpy(), audio.numpy())
    assert told[-1] == 100.0
    assert [clip.prompt for clip in page["both"]] == ["calm piano", "fast drums"]
    info = soundfile.info(page["folder"] / "output.wav")
    assert (info.format, info.frames, audio.numpy().shape) == ("WAV", 32_000, (1, 32_000))
    assert soundfile.info(page["folder"] / "duo.mp3").channels == 2


def test_a_melody_a_format_and_a_loudness_are_as_on_a_server(page: dict[str, Any]) -> None:
    generator: MusicGenerator = page["generator"]
    melody = file_of(tone(330, 1.0), 32_000)
    clip = generator.generate(melody=melody, duration=1.0, output_format="flac", loudness=-20, title="Hum")
    assert clip.seed is not None
    with soundfile.SoundFile(io.BytesIO(clip.data)) as file:
        assert (file.format, file.title) == ("FLAC", "Hum")
    assert measure(Audio(clip.numpy(), clip.sample_rate_hz)).lufs == pytest.approx(-20, abs=0.5)


def test_m4a_is_made_here_too_and_refused_before_anything_is_where_no_program_writes_it(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator: MusicGenerator = page["generator"]
    clip = generator.generate("calm piano", duration=1.0, output_format="m4a", loudness=-20, title="Hum")
    assert measure(Audio(clip.numpy(), clip.sample_rate_hz)).lufs == pytest.approx(-20, abs=0.5)
    monkeypatch.setitem(generator.engine.__dict__, "_ffmpeg", None)
    with pytest.raises(errors.InvalidRequest, match="aac needs an ffmpeg program") as refused:
        generator.generate("calm piano", duration=1.0, output_format="aac")
    assert (refused.value.code, list(refused.value.fields)) == ("FORMAT_UNAVAILABLE", ["output_format"])


def test_a_file_without_a_title_is_titled_as_on_a_server(
    page: dict[str, Any], request_for: Callable[..., MusicRequest]
) -> None:
    asked = request_for(prompt="la\n" * 100, output_format="flac")
    made = page["generator"].engine.file(tone(), 32_000, asked, 7)
    with soundfile.SoundFile(io.BytesIO(made.data)) as file:
        assert file.title == tags_for(asked, 7, "tiny").title == f"{'la ' * 25}la..."


def test_all_that_is_wrong_is_named_and_what_is_no_field_is_a_type_error(page: dict[str, Any]) -> None:
    generator: MusicGenerator = page["generator"]
    with pytest.raises(errors.InvalidRequest) as caught:
        generator.generate("", -1, top_p=7)
    assert set(caught.value.fields) == {"prompt", "duration", "top_p"}
    with pytest.raises(TypeError, match="webhook_url"):
        generator.generate_batch(["x"], webhook_url="https://x")  # type: ignore[call-arg]
    with pytest.raises(errors.InvalidRequest) as caught:
        MultiInstrumentGenerator(generator).generate_multi_track(
            {"piano": "", "bass": {"prompt": "x", "top_p": 7}}, -1, {"levels": {"tuba": 1}, "key": "H moll"}
        )
    assert set(caught.value.fields) == {"instruments.piano", "instruments.bass.top_p", "duration", "levels.tuba", "key"}
    with pytest.raises(errors.InvalidRequest, match="mix_presets: is unknown"):
        MultiInstrumentGenerator(generator).generate_multi_track({"piano": "x"}, 1.0, {"mix_presets": "x"})  # type: ignore[typeddict-unknown-key]


def test_a_tempo_and_a_key_are_put_into_the_prompt_as_on_a_server(page: dict[str, Any]) -> None:
    generator: MusicGenerator = page["generator"]
    clip = generator.generate("calm piano in C major", 0.5, seed=7, tempo_bpm=94, key="A minor")
    assert clip.prompt == "calm piano in C major, at 94 bpm"
    assert clip.warnings[0] == "key: A minor was not used, as the prompt names C major"
    told = generator.generate("calm piano in C major, at 94 bpm", 0.5, seed=7)
    np.testing.assert_array_equal(clip.numpy(), told.numpy())
    batch = generator.generate_batch(["calm piano", "drums"], 0.5, tempo_bpm=120)
    assert [each.prompt for each in batch] == ["calm piano, at 120 bpm", "drums, at 120 bpm"]
    with pytest.raises(errors.InvalidRequest) as caught:
        generator.generate("calm piano", 0.5, tempo_bpm=300, key="H")
    assert set(caught.value.fields) == {"tempo_bpm", "key"}


def test_several_instruments_share_tempo_and_key_and_the_mix_has_the_presets_loudness(page: dict[str, Any]) -> None:
    tracks: Tracks = page["tracks"]
    assert list(tracks) == ["piano", "drums"]
    assert tracks["piano"].prompt == f"Jazz piano comping in {tracks.key}, at {tracks.tempo_bpm} bpm"
    assert tracks["drums"].prompt == f"Swing pattern, at {tracks.tempo_bpm} bpm"
    assert tracks.mix.numpy().shape == (2, 32_000)
    loudness = measure(Audio(tracks.mix.numpy(), tracks.mix.sample_rate_hz))
    assert loudness.lufs == pytest.approx(PRESETS["jazz_club"].target_lufs, abs=0.5)
    told: list[float] = []
    again = MultiInstrumentGenerator(page["generator"]).generate_multi_track(
        {"drums": "Swing pattern", "piano": "Jazz piano comping", "bass": "Walking bass"}, 1.0, seed=7,
        on_progress=told.append,
    )  # fmt: skip
    np.testing.assert_array_equal(again["piano"].numpy(), tracks["piano"].numpy())
    assert told == sorted(told)
    assert told[-1] == 100.0
    alone = MusicGenerator.generate(
        page["generator"], again["bass"].prompt, 1.0, seed=again["bass"].seed, melody=again["piano"].data
    )
    np.testing.assert_array_equal(again["bass"].numpy(), alone.numpy())
    flute = {"prompt": again["bass"].prompt, "seed": again["bass"].seed, "melody": again["piano"].data}
    own = MultiInstrumentGenerator(page["generator"]).generate_multi_track({"flute": flute}, 1.0)
    np.testing.assert_array_equal(own["flute"].numpy(), alone.numpy())


def test_the_command_makes_it_here_when_it_is_told_to(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["calm piano", "--local", "--model", str(ROOT / "models" / "tiny"), "--device", "cpu", "-d", "0.5"]
    assert main.run([*asked, "--seed", "7", "-o", "out.mp3"]) == 0
    out, err = capfd.readouterr()
    assert out == "out.mp3: 0.5 s by tiny, seed 7\n"
    assert err.splitlines()[0].startswith("loading ")
    assert err.splitlines()[-1] == "completed"
    assert soundfile.info("out.mp3").format == "MP3"
