"""Several channels become two or one by ITU-R BS.775, whatever their order in the file."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest

from api.uploads.decoder import decode_melody
from api.uploads.recordings import Upload
from api.uploads.structure.caf import LAYOUTS
from api.uploads.structure.channel_layout import BY_COUNT, MASK_ORDER, mix
from shared.settings import Settings
from tests.api.uploads.corpus import patched
from tests.audio_fixtures import Waveform, contained, file_of, read_back, tone

RATE_HZ = 48_000
ROOT_HALF = 0.5**0.5
# of each channel alone, by ITU-R BS.775-3, tables 2: how loud on the left, on the right, and in one
GAINS = {
    "FL": (1.0, 0.0, ROOT_HALF),
    "FR": (0.0, 1.0, ROOT_HALF),
    "FC": (ROOT_HALF, ROOT_HALF, 1.0),
    "LFE": (0.0, 0.0, 0.0),
    "BL": (ROOT_HALF, 0.0, 0.5),
    "BR": (0.0, ROOT_HALF, 0.5),
    "SL": (ROOT_HALF, 0.0, 0.5),
    "SR": (0.0, ROOT_HALF, 0.5),
    "BC": (0.5, 0.5, ROOT_HALF),
    "FLC": (ROOT_HALF, 0.0, 0.5),
    "FRC": (0.0, ROOT_HALF, 0.5),
}


def alone(channel: int, channels: int, seconds: float = 0.3) -> Waveform:
    waveform = np.zeros((channels, round(seconds * RATE_HZ)), np.float32)
    waveform[channel] = tone(1000, seconds, rate_hz=RATE_HZ)[0]
    return waveform


def mixed(upload: bytes, channels: int) -> list[float]:
    """How loud each channel comes out, for a tone of peak 0.5 in one channel alone."""
    blocks = [mix(block.samples, block.speakers, channels) for block in Upload(upload, 600, sys.maxsize).blocks()]
    sound = np.concatenate(blocks)[2000:-2000]
    return [round(float(level), 2) for level in np.sqrt((sound**2).mean(axis=0)) / (0.5 * ROOT_HALF)]


def with_mask(wav: bytes, mask: int) -> bytes:
    """The same 16-bit WAV as WAVE_FORMAT_EXTENSIBLE with a channel mask."""
    form = struct.pack("<H", 0xFFFE) + wav[22:36] + struct.pack("<HHI", 22, 16, mask)
    form += bytes.fromhex("0100000000001000800000aa00389b71")
    return wav[:12] + b"fmt " + struct.pack("<I", 40) + form + wav[36:]


@pytest.mark.parametrize("channels", range(3, 9))
@pytest.mark.parametrize("masked", [False, True], ids=["by count", "by mask"])
def test_each_channel_of_a_wav_is_mixed_by_its_speaker(channels: int, masked: bool) -> None:
    for index, name in enumerate(BY_COUNT[channels]):
        wav = file_of(alone(index, channels), RATE_HZ)
        if masked:
            wav = with_mask(wav, sum(1 << MASK_ORDER.index(each) for each in BY_COUNT[channels]))
            assert struct.unpack_from("<H", wav, 20) == (0xFFFE,)
        left, right, one = GAINS[name]
        assert mixed(wav, 2) == pytest.approx([left, right], abs=0.01), name
        assert mixed(wav, 1) == pytest.approx([one], abs=0.01), name


def test_a_mask_may_name_others_than_are_usual() -> None:
    side = 1 << MASK_ORDER.index("FL") | 1 << MASK_ORDER.index("FR") | 1 << MASK_ORDER.index("LFE")
    assert mixed(with_mask(file_of(alone(2, 3), RATE_HZ), side), 2) == [0.0, 0.0]
    assert mixed(file_of(alone(2, 3), RATE_HZ), 2) == pytest.approx([ROOT_HALF, ROOT_HALF], abs=0.01)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("ipod", "aac"),
        ("matroska", "aac"),
        ("flac", "flac"),
        ("webm", "libopus"),
        ("caf", "pcm_s16be"),
        ("w64", "pcm_s16le"),
    ],
)
@pytest.mark.parametrize("channels", [6, 8])
def test_a_voice_in_the_centre_alone_keeps_its_level_in_every_container(
    container: str, codec: str, channels: int
) -> None:
    upload = contained(alone(2, channels), RATE_HZ, container, codec)
    assert mixed(upload, 1) == pytest.approx([1.0], abs=0.04)
    assert mixed(upload, 2) == pytest.approx([ROOT_HALF, ROOT_HALF], abs=0.04)


@pytest.mark.parametrize("layout", [tag for tag, names in LAYOUTS.items() if len(names) in (6, 8)])
def test_channels_in_any_of_apples_orders_are_told_apart(layout: int) -> None:
    names = LAYOUTS[layout]
    for index, name in enumerate(names):
        caf = contained(alone(index, len(names)), RATE_HZ, "caf", "pcm_s16be")
        upload = patched(caf, caf.index(b"chan") + 12, struct.pack(">I", layout))
        assert mixed(upload, 2) == pytest.approx(GAINS[name][:2], abs=0.01), name


def test_two_channels_to_one_are_their_mean_as_ever() -> None:
    assert mixed(file_of(alone(0, 2), RATE_HZ), 1) == [0.5]


def test_more_than_full_scale_in_the_mix_is_scaled_down_as_a_whole_not_clipped() -> None:
    loud = tone(1000, 1.0, rate_hz=RATE_HZ, channels=6, peak=0.9)
    decoded = decode_melody(io.BytesIO(file_of(loud, RATE_HZ)), Settings(_env_file=None, melody_timeout_s=60.0))
    samples, _ = read_back(decoded.flac)
    np.testing.assert_allclose(samples[0][1000:-1000], tone(1000, 1.0, peak=1.0)[0][1000:-1000], atol=0.01)


def test_audio_to_go_on_from_keeps_two_sides_of_six_channels() -> None:
    settings = Settings(_env_file=None, melody_timeout_s=60.0)
    for channel, sides in ((0, (1.0, 0.0)), (2, (ROOT_HALF, ROOT_HALF)), (5, (0.0, ROOT_HALF))):
        decoded = decode_melody(io.BytesIO(file_of(alone(channel, 6), RATE_HZ)), settings, channels=2)
        samples, _ = read_back(decoded.flac)
        levels = np.abs(samples[:, 2000:-2000]).max(axis=1) / 0.5
        assert levels.tolist() == pytest.approx(sides, abs=0.02)
