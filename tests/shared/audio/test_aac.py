"""shared/audio/aac.py: what m4a and aac files hold, decoded by a player's library; tags; programs that fail."""

from __future__ import annotations

import io
import json
import stat
import struct
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

from mixing.audio import Audio
from mixing.loudness import measure
from shared.audio.aac import FRAME, PRIMING, read_aac
from shared.audio.encode import Encoded, encode
from shared.audio.tags import Tags
from shared.errors import FormatUnavailable
from shared.music.formats import FORMATS
from tests.audio_fixtures import Waveform, loudest_hz, noise, played, square, tone

RATE_HZ = 32_000
AAC = ["m4a", "aac"]
TAGS = Tags("Night 夜; = #1\\", json.dumps({"prompt": 'très calme ♫ "quoted"\n=;#\\', "seed": 7, "model": "tiny"}))


def tags_in(data: bytes) -> dict[str, str]:
    with av.open(io.BytesIO(data)) as file:
        return {name.lower(): text for name, text in file.metadata.items()}


def edit_list(data: bytes) -> tuple[int, int]:
    """Return how many samples an m4a's only edit plays, and how many before it are left out."""
    (movie_rate_hz,) = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)
    edits, played_samples, start = struct.unpack_from(">III", data, data.index(b"elst") + 8)
    assert (edits, movie_rate_hz) == (1, RATE_HZ)
    return played_samples, start


def program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_an_m4a_plays_the_music_to_the_sample_at_its_rate_channels_level_and_pitch(ffmpeg: str) -> None:
    waveform = np.concatenate([tone(440, 2.51, peak=0.25), tone(660, 2.51, peak=0.25)])
    encoded = encode(waveform, RATE_HZ, "m4a", ffmpeg=ffmpeg)
    assert (encoded.media_type, encoded.extension, encoded.duration_s) == ("audio/mp4", "m4a", 2.51)
    assert edit_list(encoded.data) == (waveform.shape[1], FRAME + PRIMING)
    decoded, rate_hz = played(encoded.data)
    assert decoded.shape[1] - waveform.shape[1] < PRIMING, "FFmpeg leaves the end of an edit list to its caller"
    decoded = decoded[:, : waveform.shape[1]]
    assert (rate_hz, decoded.shape) == (RATE_HZ, waveform.shape)
    assert [loudest_hz(channel, rate_hz) for channel in decoded] == pytest.approx([440, 660], abs=1)
    assert decoded.std() == pytest.approx(waveform.std(), rel=0.01)
    assert np.abs(decoded - waveform)[:, 2048:-2048].max() < 0.01, "nothing is moved in time"
    assert encoded.gain_db == 0.0
    assert 0 < encoded.data.index(b"moov") < encoded.data.index(b"mdat"), "it plays before all of it has come"


def test_an_aac_plays_1024_samples_of_silence_and_then_the_music(ffmpeg: str) -> None:
    waveform = tone(440, 2.51, peak=0.25)
    encoded = encode(waveform, RATE_HZ, "aac", ffmpeg=ffmpeg)
    decoded, rate_hz = played(encoded.data)
    assert (encoded.media_type, encoded.extension, encoded.duration_s, rate_hz) == ("audio/aac", "aac", 2.51, RATE_HZ)
    assert 0 <= decoded.shape[1] - PRIMING - waveform.shape[1] < PRIMING
    heard = decoded[:, PRIMING : PRIMING + waveform.shape[1]]
    assert np.abs(heard - waveform)[:, 2048:-2048].max() < 0.01
    assert encoded.data.startswith(b"\xff\xf1")


@pytest.mark.parametrize("name", AAC)
def test_our_own_files_are_read_back_as_they_were_written(name: str, ffmpeg: str) -> None:
    waveform = noise(1.2345, channels=2, peak=0.3)
    samples, rate_hz = read_aac(encode(waveform, RATE_HZ, name, tags=TAGS, ffmpeg=ffmpeg).data)
    assert rate_hz == RATE_HZ
    assert abs(samples.shape[1] - waveform.shape[1]) <= (0 if name == "m4a" else RATE_HZ // 2000)
    assert samples.std() == pytest.approx(waveform.std(), rel=0.05)


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_other_models_rates_are_written_as_they_are(rate_hz: int, ffmpeg: str) -> None:
    encoded = encode(tone(rate_hz=rate_hz), rate_hz, "m4a", ffmpeg=ffmpeg)
    decoded, read_hz = read_aac(encoded.data)
    assert (read_hz, decoded.shape) == (rate_hz, (1, rate_hz))
    assert len(encoded.data) * 8 < 4.5 * rate_hz


@pytest.mark.parametrize("name", AAC)
def test_equal_samples_and_tags_give_equal_bytes_and_tags_change_no_sample(name: str, ffmpeg: str) -> None:
    bare, tagged, again = (
        encode(noise(0.5), RATE_HZ, name, tags=given, ffmpeg=ffmpeg).data for given in (None, TAGS, TAGS)
    )
    assert tagged == again != bare
    np.testing.assert_array_equal(played(bare)[0], played(tagged)[0])


@pytest.mark.parametrize("name", AAC)
def test_a_file_has_its_tags_however_long_and_whatever_is_in_them(name: str, ffmpeg: str) -> None:
    long = Tags("長" * 80 + "\r\n\t.", json.dumps({"prompt": "長" * 60_000}, ensure_ascii=False))
    for tags in (TAGS, long):
        found = tags_in(encode(tone(seconds=0.2), RATE_HZ, name, tags=tags, ffmpeg=ffmpeg).data)
        assert found["title"].replace("\r", "") == tags.title.replace("\r", "")
        assert found["comment"] == tags.comment


def test_no_command_line_tells_the_prompt(ffmpeg: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    telling = program(tmp_path / "ffmpeg", f'echo "$@" >> "{told}"\nexec "{ffmpeg}" "$@"')
    encode(tone(seconds=0.2), RATE_HZ, "m4a", tags=Tags("secret", "secret"), ffmpeg=telling)
    assert "-c:a aac" in told.read_text()
    assert "secret" not in told.read_text()


@pytest.mark.parametrize("name", AAC)
def test_a_file_has_the_loudness_that_was_asked_for(name: str, ffmpeg: str) -> None:
    bursts = noise(3.0) * np.exp(-8 * (np.arange(3 * RATE_HZ) / RATE_HZ % 0.5)).astype(np.float32)
    encoded = encode(bursts, RATE_HZ, name, loudness_lufs=-14.0, ffmpeg=ffmpeg)
    decoded, rate_hz = played(encoded.data)
    assert measure(Audio(decoded, rate_hz)).lufs == pytest.approx(-14.0, abs=0.5)
    assert np.abs(decoded).max() < 1.0
    assert encoded.warnings == ()


@pytest.mark.parametrize("loud", [square(seconds=1.0), noise(1.0)], ids=["square", "noise"])
def test_what_is_decoded_does_not_clip(loud: Waveform, ffmpeg: str) -> None:
    decoded, _ = played(encode(loud, RATE_HZ, "m4a", ffmpeg=ffmpeg).data)
    assert 0.5 < np.abs(decoded).max() < 1.0


@pytest.mark.parametrize("name", AAC)
@pytest.mark.parametrize("pitch_hz", [440.0, 254.6])
def test_music_that_begins_at_once_keeps_its_level_and_begins_without_a_click(
    name: str, pitch_hz: float, ffmpeg: str
) -> None:
    waveform = tone(pitch_hz, peak=0.89)
    encoded = encode(waveform, RATE_HZ, name, ffmpeg=ffmpeg)
    decoded, _ = read_aac(encoded.data)
    assert encoded.gain_db == 0.0
    assert np.abs(decoded[:, :2048]).max() < 0.93


def test_a_piece_too_quiet_for_16_bits_is_still_itself(ffmpeg: str) -> None:
    waveform = tone(440, peak=0.0006)  # twenty steps of 16 bits
    decoded, _ = read_aac(encode(waveform, RATE_HZ, "m4a", ffmpeg=ffmpeg).data)
    assert np.abs(decoded - waveform)[:, 2048:-2048].max() < 0.5 / 32768


def test_without_a_program_the_remedy_is_told() -> None:
    with pytest.raises(FormatUnavailable, match=r"Send one of wav, mp3, ogg, opus, flac; or install ffmpeg, .* FFMPEG"):
        encode(tone(), RATE_HZ, "m4a")


@pytest.mark.parametrize("fails", ["echo 'disk full' >&2; exit 1", "kill -9 $$"], ids=["an error", "killed"])
def test_a_program_that_fails_is_an_error_and_leaves_no_file(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(FormatUnavailable, match="failed to write m4a") as failure:
        encode(tone(), RATE_HZ, "m4a", ffmpeg=program(tmp_path / "ffmpeg", fails))
    assert failure.value.retryable
    assert str(tmp_path) not in failure.value.message
    assert "disk full" in str(failure.value) or "kill" in fails
    assert list(folder.iterdir()) == []


def test_several_threads_write_at_once_and_leave_no_file(
    ffmpeg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def write(pitch_hz: float) -> Encoded:
        return encode(tone(pitch_hz, 0.5), RATE_HZ, "m4a", ffmpeg=ffmpeg)

    pitches = [440.0, 550.0, 660.0, 770.0]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(write, pitches))
    heard = [loudest_hz(played(each.data)[0][0], RATE_HZ) for each in together]
    assert heard == pytest.approx(pitches, abs=2)
    assert list(tmp_path.iterdir()) == []


def test_these_are_all_formats_that_need_a_program() -> None:
    assert [each.name for each in FORMATS.values() if each.needs_ffmpeg] == AAC
