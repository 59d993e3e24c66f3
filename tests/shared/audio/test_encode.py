"""shared/audio/encode.py: what counts as audio, the level of a clip, and the encodings of libsndfile."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf

from mixing.audio import Audio
from mixing.loudness import measure
from shared.audio import encode
from shared.audio.levels import limit_peak
from shared.errors import UnusableAudio
from shared.music.formats import FORMATS
from tests.audio_fixtures import Waveform, loudest_hz, noise, read_back, silence, square, tone

RATE_HZ = 32_000
WRITTEN_HERE = [name for name in sorted(FORMATS) if not FORMATS[name].needs_ffmpeg]  # the others: test_aac.py


def with_one_sample(value: float) -> Waveform:
    waveform = tone()
    waveform[0, 5000] = value
    return waveform


@pytest.mark.parametrize(
    ("waveform", "reason"),
    [
        (with_one_sample(float("nan")), "1 of 32000 samples are NaN"),
        (with_one_sample(float("-inf")), "NaN or infinite"),
        (silence(), "silent"),
        (silence(channels=2), "silent"),
        (tone(peak=1e-4), "silent"),
        (np.full((1, RATE_HZ), 0.5, np.float32), "silent"),
        (np.zeros((1, 0), np.float32), "no samples"),
    ],
    ids=["one NaN", "one infinity", "zeros", "stereo zeros", "inaudible", "constant offset", "empty"],
)
def test_unusable_audio_is_refused_and_never_becomes_a_file(waveform: Waveform, reason: str) -> None:
    with pytest.raises(UnusableAudio, match=reason):
        encode.check_usable(waveform)
    with pytest.raises(UnusableAudio, match=reason):
        encode.encode(waveform, RATE_HZ, "wav")


@pytest.mark.parametrize(
    "waveform",
    [
        tone(peak=0.002),
        np.concatenate([tone(), silence()]),
        np.full((1, 1000), 3e38, np.float32) * tone(1000.0, 1000 / RATE_HZ),
    ],
    ids=["very quiet", "one silent channel", "absurdly loud"],
)
def test_audible_audio_is_usable(waveform: Waveform) -> None:
    encode.check_usable(waveform)


def test_a_waveform_without_a_channel_axis_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="channels, samples"):
        encode.check_usable(tone()[0])


def test_a_clip_below_the_ceiling_is_left_exactly_as_it_is() -> None:
    waveform = tone(peak=0.3)
    levelled = limit_peak(waveform, 0.9)
    assert levelled.waveform is waveform
    assert levelled.gain == 1.0


def test_a_clip_over_the_ceiling_is_scaled_down_evenly() -> None:
    waveform = np.concatenate([tone(peak=2.0), tone(660, peak=0.5)])
    levelled = limit_peak(waveform, 0.9)
    assert np.abs(levelled.waveform * levelled.gain).max() == levelled.peak == pytest.approx(0.9)


def test_wav_holds_the_samples_in_16_bits_at_the_given_rate() -> None:
    waveform = np.concatenate([tone(440, peak=0.6), tone(550, peak=0.2)])
    encoded = encode.encode(waveform, RATE_HZ, "wav")
    info = sf.info(io.BytesIO(encoded.data))
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "PCM_16", RATE_HZ, 2)
    assert (encoded.sample_rate_hz, encoded.channels, encoded.duration_s) == (RATE_HZ, 2, 1.0)
    assert encoded.gain_db == 0.0
    np.testing.assert_allclose(read_back(encoded.data)[0], waveform, atol=0.51 / 32768)


@pytest.mark.parametrize("name", WRITTEN_HERE)
def test_every_format_keeps_rate_channels_length_level_and_pitch(name: str) -> None:
    waveform = np.concatenate([tone(440, 2.5, peak=0.25), tone(660, 2.5, peak=0.25)])
    encoded = encode.encode(waveform, RATE_HZ, name)
    decoded, rate_hz = read_back(encoded.data)
    assert (encoded.media_type, encoded.extension) == (FORMATS[name].media_type, FORMATS[name].extension)
    assert rate_hz == encoded.sample_rate_hz == (FORMATS[name].only_rate_hz or RATE_HZ)
    assert decoded.shape == (2, round(2.5 * rate_hz))
    assert encoded.duration_s == 2.5
    assert [loudest_hz(channel, rate_hz) for channel in decoded] == pytest.approx([440, 660], abs=1)
    assert decoded.std() == pytest.approx(waveform.std(), rel=0.1)


@pytest.mark.parametrize(
    ("name", "marker"), [("wav", b"RIFF"), ("flac", b"fLaC"), ("ogg", b"OggS"), ("mp3", b"\xff\xfb"), ("opus", b"OggS")]
)
def test_the_bytes_are_of_the_format_that_was_asked_for(name: str, marker: bytes) -> None:
    assert encode.encode(tone(), RATE_HZ, name).data.startswith(marker)


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
@pytest.mark.parametrize("name", [name for name in WRITTEN_HERE if not FORMATS[name].only_rate_hz])
def test_other_models_rates_are_written_as_they_are(name: str, rate_hz: int) -> None:
    decoded, read_hz = read_back(encode.encode(tone(rate_hz=rate_hz), rate_hz, name).data)
    assert (read_hz, decoded.shape) == (rate_hz, (1, rate_hz))


def test_flac_holds_the_same_samples_as_wav() -> None:
    waveform = noise(peak=1.4)
    wav, flac = (read_back(encode.encode(waveform, RATE_HZ, name).data)[0] for name in ("wav", "flac"))
    np.testing.assert_array_equal(wav, flac)


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_a_clip_beyond_full_scale_comes_out_quieter_with_its_shape_intact(name: str) -> None:
    waveform = tone(peak=3.0)
    encoded = encode.encode(waveform, RATE_HZ, name)
    decoded, _ = read_back(encoded.data)
    assert np.abs(decoded).max() == pytest.approx(10 ** (-0.1 / 20), abs=1e-3)
    np.testing.assert_allclose(decoded * 3.0 / np.abs(decoded).max(), waveform, atol=2e-4)
    assert encoded.gain_db == pytest.approx(-0.1 - 20 * np.log10(3), abs=0.01)


@pytest.mark.parametrize("name", ["mp3", "ogg", "opus"])
@pytest.mark.parametrize(
    "loud", [square(), square(1234.5), noise(), tone(peak=5.0)], ids=["square", "high square", "noise", "loud tone"]
)
def test_decoded_lossy_audio_does_not_clip(name: str, loud: Waveform) -> None:
    decoded, _ = read_back(encode.encode(loud, RATE_HZ, name).data)
    assert 0.5 < np.abs(decoded).max() < 1.0


def test_one_decibel_of_headroom_is_not_enough_for_every_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the test above: without decoding and trying again, it would find clipping."""
    monkeypatch.setattr(encode, "DECODED_CEILING", 100.0)
    decoded, _ = read_back(encode.encode(square(), RATE_HZ, "ogg").data)
    assert np.abs(decoded).max() > 1.0


def test_lossy_audio_that_always_clips_is_an_error_not_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "decoded_peak", lambda data, audio_format: 1.5)
    with pytest.raises(UnusableAudio, match="ask for wav or flac"):
        encode.encode(tone(), RATE_HZ, "mp3")


@pytest.mark.parametrize("name", WRITTEN_HERE)
def test_equal_samples_give_equal_bytes(name: str) -> None:
    assert encode.encode(noise(), RATE_HZ, name).data == encode.encode(noise(), RATE_HZ, name).data


def test_two_ogg_clips_may_be_chained_into_one_file() -> None:
    """Ogg forbids chaining streams of one serial number, so it must differ with the audio."""
    first, second = (encode.encode(tone(pitch_hz), RATE_HZ, "ogg").data for pitch_hz in (440, 441))
    assert first[14:18] != second[14:18]


def test_minutes_of_vorbis_do_not_crash_the_process() -> None:
    decoded, _ = read_back(encode.encode(tone(seconds=70, rate_hz=48_000), 48_000, "ogg").data)
    assert decoded.shape == (1, 70 * 48_000)


def test_opus_is_opus_and_leaves_the_highest_pitches_alone() -> None:
    encoded = encode.encode(noise(peak=0.3), RATE_HZ, "opus")
    info = sf.info(io.BytesIO(encoded.data))
    assert (info.format, info.subtype, info.samplerate) == ("OGG", "OPUS", 48_000)
    assert len(encoded.data) * 8 / encoded.duration_s < 256_000


# Loudness


@pytest.mark.parametrize("name", WRITTEN_HERE)
@pytest.mark.parametrize("target_lufs", [-23.0, -14.0])
def test_a_file_has_the_loudness_that_was_asked_for_under_full_scale(name: str, target_lufs: float) -> None:
    bursts = noise(3.0) * np.exp(-8 * (np.arange(3 * RATE_HZ) / RATE_HZ % 0.5)).astype(np.float32)
    encoded = encode.encode(bursts, RATE_HZ, name, loudness_lufs=target_lufs)
    decoded, rate_hz = read_back(encoded.data)
    seen = measure(Audio(decoded, rate_hz))
    assert seen.lufs == pytest.approx(target_lufs, abs=0.5)
    assert np.abs(decoded).max() < 1.0
    if not FORMATS[name].lossy:
        assert seen.true_peak_dbtp < -0.9
    assert encoded.warnings == ()


def test_a_quiet_clip_is_made_louder_and_its_gain_is_reported() -> None:
    quiet = tone(1000, 2.0, peak=0.01)
    encoded = encode.encode(quiet, RATE_HZ, "wav", loudness_lufs=-20)
    assert encoded.gain_db == pytest.approx(-20 - measure(Audio(quiet, RATE_HZ)).lufs, abs=0.1)


def test_a_loudness_that_cannot_be_reached_is_a_warning_and_the_file_as_loud_as_it_gets() -> None:
    encoded = encode.encode(tone(40, 2.0), RATE_HZ, "wav", loudness_lufs=-6)
    (warning,) = encoded.warnings
    assert warning.startswith("loudness: -6 LUFS was asked for, ")
    decoded, _ = read_back(encoded.data)
    assert np.abs(decoded).max() == pytest.approx(10 ** (-1 / 20), abs=1 / 32768)


@pytest.mark.parametrize("name", WRITTEN_HERE)
def test_without_a_loudness_the_level_is_the_models_own(name: str) -> None:
    assert encode.encode(tone(peak=0.1), RATE_HZ, name).gain_db == 0.0
