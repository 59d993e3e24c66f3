"""api/uploads/decoder.py: an upload becomes a canonical melody or a refusal that names what is wrong and what to do."""

from __future__ import annotations

import hashlib
import io
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from api.uploads.decoder import decode_melody
from shared.errors import InvalidMelody
from shared.settings import Settings
from tests.audio_fixtures import contained, file_of, loudest_hz, noise, read_back, silence, tone

KINDS = "send wav, mp3, ogg, flac, m4a, aac, webm, aiff or caf"
SETTINGS = Settings(_env_file=None, melody_timeout_s=60.0)


def settings(**changes: Any) -> Settings:
    return SETTINGS.model_copy(update=changes)


def refusal_of(upload: bytes, **changes: Any) -> dict[str, str]:
    """The field error that the upload gets."""
    with pytest.raises(InvalidMelody) as caught:
        decode_melody(io.BytesIO(upload), settings(**changes))
    assert caught.value.code == "INVALID_MELODY"
    fields: list[dict[str, str]] = caught.value.details["fields"]
    assert [error["field"] for error in fields] == ["melody"]
    return fields[0]


def with_flac_length(flac: bytes, frames: int) -> bytes:
    """The same FLAC with another number of samples in its header (36 bits; 0 is unknown)."""
    length = (flac[21] & 0xF0) << 32 | frames
    return flac[:21] + length.to_bytes(5, "big") + flac[26:]


@pytest.fixture(scope="module")
def two_hours_of_nothing() -> bytes:
    flac = file_of(silence(60, rate_hz=4000), 4000, "flac", repeat=120)
    assert len(flac) < 200_000
    return flac


# What is accepted


@pytest.mark.parametrize("kind", ["wav", "float wav", "flac", "ogg", "mp3"])
def test_a_stereo_upload_becomes_mono_at_32_khz_with_its_pitch_and_length(kind: str) -> None:
    upload = file_of(tone(523.25, 3.0, rate_hz=44_100, channels=2), 44_100, kind)
    accepted = decode_melody(io.BytesIO(upload), SETTINGS)
    samples, rate_hz = read_back(accepted.flac)
    assert accepted.flac.startswith(b"fLaC")
    assert (rate_hz, len(samples)) == (32_000, 1)
    assert loudest_hz(samples[0], rate_hz) == pytest.approx(523.25, abs=0.5)
    assert samples.shape[1] / rate_hz == accepted.seconds == pytest.approx(3.0, abs=0.01)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)
    assert accepted.sha256 == hashlib.sha256(accepted.flac).hexdigest()


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz"),
    [
        ("ipod", "aac", 44_100),
        ("ipod", "alac", 44_100),
        ("mp4", "aac", 48_000),
        ("adts", "aac", 44_100),
        ("webm", "libopus", 48_000),
    ],
    ids=["m4a", "lossless m4a", "mp4", "aac", "webm"],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_phones_and_browsers_record_becomes_the_same_canonical_melody(
    container: str, codec: str, rate_hz: int, channels: int
) -> None:
    upload = contained(tone(523.25, 3.0, rate_hz=rate_hz, channels=channels), rate_hz, container, codec)
    accepted = decode_melody(io.BytesIO(upload), SETTINGS)
    samples, read_hz = read_back(accepted.flac)
    assert (read_hz, len(samples)) == (32_000, 1)
    assert loudest_hz(samples[0], read_hz) == pytest.approx(523.25, abs=0.5)
    assert accepted.seconds == pytest.approx(3.0, abs=0.06)
    assert samples.std() == pytest.approx(0.5 / 2**0.5, rel=0.03)


def test_a_browsers_recording_without_a_length_in_its_header_is_read_to_its_end() -> None:
    upload = contained(tone(seconds=2.0, rate_hz=48_000), 48_000, "webm", "libopus", live="1")
    assert decode_melody(io.BytesIO(upload), SETTINGS).seconds == pytest.approx(2.0, abs=0.05)


def test_a_containers_length_is_limited_too_with_a_header_or_without() -> None:
    music = tone(seconds=4.0, rate_hz=48_000)
    for upload in (
        contained(music, 48_000, "ipod", "aac"),
        contained(music, 48_000, "adts", "aac"),
        contained(music, 48_000, "webm", "libopus", live="1"),
    ):
        assert "longer than 2.5 s" in refusal_of(upload, max_melody_s=2.5)["message"]


@pytest.mark.parametrize(
    ("container", "codec"), [("ipod", "aac"), ("adts", "aac"), ("webm", "libopus")], ids=["m4a", "aac", "webm"]
)
def test_half_a_container_is_refused_not_read_as_a_shorter_melody(container: str, codec: str) -> None:
    whole = contained(noise(4.0, rate_hz=48_000, peak=0.5), 48_000, container, codec)
    refusal = refusal_of(whole[: len(whole) // 2])
    assert "cut off" in refusal["message"]
    assert "whole" in refusal["message"]


def test_a_film_has_no_melody_and_its_pictures_are_not_decoded() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as file:
        stream = file.add_stream("libvpx", rate=10, width=64, height=64)
        for _ in range(10):
            file.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(stream.encode(None))
    refusal = refusal_of(out.getvalue())
    assert (refusal["value"], "not audio" in refusal["message"]) == ("no audio in it", True)


def test_a_playlist_that_names_other_files_is_not_audio(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(file_of(tone(), 32_000))
    for text in (
        f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n",
        f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.wav\n",
    ):
        assert "not audio" in refusal_of(text.encode())["message"]


@pytest.mark.parametrize("rate_hz", [8000, 32_000, 192_000])
def test_other_rates_keep_their_pitch(rate_hz: int) -> None:
    upload = file_of(tone(330, 1.0, rate_hz=rate_hz), rate_hz)
    samples, read_hz = read_back(decode_melody(io.BytesIO(upload), SETTINGS).flac)
    assert samples.shape == (1, 32_000)
    assert loudest_hz(samples[0], read_hz) == pytest.approx(330, abs=1)


def test_opus_in_ogg_is_accepted() -> None:
    upload = file_of(tone(440, 1.0, rate_hz=48_000), 48_000, "opus")
    assert decode_melody(io.BytesIO(upload), SETTINGS).seconds == pytest.approx(1.0, abs=0.02)


def test_the_mix_to_mono_is_the_mean_of_the_channels() -> None:
    upload = file_of(np.concatenate([tone(440, peak=0.8), silence()]), 32_000)
    samples, _ = read_back(decode_melody(io.BytesIO(upload), SETTINGS).flac)
    assert np.abs(samples).max() == pytest.approx(0.4, abs=0.01)


def test_float_samples_beyond_full_scale_are_scaled_not_clipped() -> None:
    upload = file_of(tone(440, peak=20_000.0), 32_000, "float wav")
    samples, _ = read_back(decode_melody(io.BytesIO(upload), SETTINGS).flac)
    np.testing.assert_allclose(samples, tone(440, peak=1.0), atol=1e-3)


def test_equal_uploads_give_equal_keys_and_other_uploads_others() -> None:
    uploads = [file_of(tone(pitch_hz), 32_000) for pitch_hz in (440, 440, 441)]
    first, second, other = (decode_melody(io.BytesIO(upload), SETTINGS).sha256 for upload in uploads)
    assert first == second != other


def test_a_path_an_open_file_and_a_spooled_upload_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "hum.wav"
    path.write_bytes(file_of(tone(), 32_000))
    with path.open("rb") as file, tempfile.SpooledTemporaryFile() as spooled:
        spooled.write(path.read_bytes())
        spooled.seek(0)
        keys = {decode_melody(source, SETTINGS).sha256 for source in (path, file, spooled)}
    assert len(keys) == 1


def test_a_flac_of_unknown_length_is_read_to_its_end() -> None:
    upload = with_flac_length(file_of(tone(seconds=2.0), 32_000, "flac"), 0)
    assert decode_melody(io.BytesIO(upload), SETTINGS).seconds == 2.0


def test_a_wav_written_into_a_pipe_is_accepted() -> None:
    wav = bytearray(file_of(tone(), 32_000))
    wav[4:8] = wav[40:44] = b"\xff\xff\xff\xff"
    assert decode_melody(io.BytesIO(bytes(wav)), SETTINGS).seconds == 1.0


# What is refused


@pytest.mark.parametrize(
    ("upload", "wrong", "remedy", "value"),
    [
        (b"", "empty", "attach", "0 bytes"),
        (b"la la la\n" * 500, "not audio", KINDS, ""),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(500), "not audio", KINDS, ""),
        (b"#!AMR\n" + bytes(500), "format is not accepted", "send wav", "AMR"),
        (file_of(silence(), 32_000), "silent", "record it louder", "dBFS"),
        (file_of(tone(peak=5e-4), 32_000), "silent", "record it louder", "peak -66 dBFS"),
        (file_of(silence() + np.float32(0.5), 32_000), "silent", "record it louder", "dBFS"),
        (file_of(np.concatenate([tone(), -tone()]), 32_000), "cancel out", "mono", "dBFS"),
        (file_of(tone(seconds=0.05), 32_000), "shorter than 0.1 s", "longer", "0.050 s"),
        (file_of(silence(0.0), 32_000), "shorter than 0.1 s", "longer", "0.000 s"),
        (file_of(tone(), 1_000), "sample rate", "resample", "1000 Hz"),
        (file_of(tone(), 400_000), "sample rate", "resample", "400000 Hz"),
        (file_of(tone(channels=9), 32_000), "at most 8 channels", "mix it", "9 channels"),
    ],
    ids=[
        "empty", "text", "m4a", "amr", "zeros", "nearly silent", "constant", "opposite channels", "too short",
        "no samples", "low rate", "high rate", "nine channels",
    ],
)  # fmt: skip
def test_an_unusable_upload_is_refused_with_what_is_wrong_and_the_remedy(
    upload: bytes, wrong: str, remedy: str, value: str
) -> None:
    refusal = refusal_of(upload)
    assert wrong in refusal["message"]
    assert remedy in refusal["message"]
    assert value in refusal["value"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 3.4e38])
def test_samples_that_are_not_numbers_are_refused(number: float) -> None:
    waveform = tone(channels=2)
    waveform[:, 20_000] = number
    assert "NaN or infinite" in refusal_of(file_of(waveform, 32_000, "float wav"))["message"]


def test_random_bytes_in_an_mp3_are_refused_as_damage() -> None:
    mp3 = bytearray(file_of(tone(seconds=5.0), 32_000, "mp3"))
    middle = len(mp3) // 2
    mp3[middle:] = np.random.default_rng(1).bytes(len(mp3) - middle)
    refusal = refusal_of(bytes(mp3))
    assert "damaged or was cut off" in refusal["message"]


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_half_an_upload_is_refused_not_read_as_a_shorter_melody(kind: str) -> None:
    whole = file_of(noise(4.0, peak=0.5), 32_000, kind)
    refusal = refusal_of(whole[: len(whole) // 2])
    assert "cut off" in refusal["message"]
    assert "whole" in refusal["message"]


@pytest.mark.parametrize("claimed_s", [7200, 0, 1])
def test_two_hours_are_refused_at_the_limit_whatever_the_header_says(
    two_hours_of_nothing: bytes, claimed_s: int
) -> None:
    refusal = refusal_of(with_flac_length(two_hours_of_nothing, claimed_s * 4000))
    assert "longer than 600 s; cut it" in refusal["message"]
    told_s = float(refusal["value"].removesuffix(" s"))
    if claimed_s == 7200:
        assert told_s == 7200, "its last frame says so too, so none was decoded"
    else:
        assert 600 < told_s < 620


def test_the_length_limit_is_the_settings() -> None:
    upload = file_of(tone(seconds=3.0), 32_000)
    assert "longer than 2.5 s" in refusal_of(upload, max_melody_s=2.5)["message"]
    assert decode_melody(io.BytesIO(upload), settings(max_melody_s=3.0)).seconds == 3.0


def test_a_file_that_unpacks_to_more_memory_than_allowed_is_refused() -> None:
    bomb = file_of(silence(60, rate_hz=8000), 8000, "flac", repeat=10)
    assert len(bomb) < 100_000
    refusal = refusal_of(bomb, melody_memory_mb=300)
    assert "memory" in refusal["message"]
    assert refusal["value"] == "300 MB"
