"""Every preset makes a mix of its loudness, and pans each family of instruments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from mixing.audio import Audio
from mixing.errors import MixError
from mixing.loudness import measure
from mixing.mixer import AudioMixer
from mixing.presets import FAMILIES, OTHER, PRESETS, family_of, find_preset
from tests.mixing.measuring import RATE_HZ, band_db, drums, hiss, sine, true_peak_dbtp


@pytest.fixture(scope="module")
def band() -> dict[str, Audio]:
    return {
        "piano": sine(523, 6.0, peak=0.3),
        "bass": sine(82, 6.0, peak=0.3),
        "drums": drums(),
        "x": hiss(6.0, peak=0.1),
    }


@pytest.fixture(scope="module")
def mix(band: dict[str, Audio]) -> Callable[[str], Audio]:
    """Return the band's mix by a preset, made once."""
    return cache(lambda name: AudioMixer().mix_preset(band, name))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_mix_of_its_own_loudness_under_its_headroom(
    name: str, mix: Callable[[str], Audio]
) -> None:
    preset = PRESETS[name]
    mixed = mix(name)
    assert mixed.samples.shape == (2, 6 * RATE_HZ)
    assert measure(mixed).lufs == pytest.approx(preset.target_lufs, abs=0.5)
    assert true_peak_dbtp(mixed) < -preset.headroom_db + 0.1
    assert preset.description


def test_the_presets_are_many_and_give_different_mixes(mix: Callable[[str], Audio]) -> None:
    assert len(PRESETS) >= 6
    assert "jazz_club" in PRESETS
    mixes = [mix(name).samples for name in PRESETS]
    level = [mix / np.sqrt((mix.astype(np.float64) ** 2).mean()) for mix in mixes]
    for index, one in enumerate(level):
        for other in level[:index]:
            assert np.abs(one - other).mean() > 0.05


def test_the_jazz_club_puts_the_piano_left_and_the_bass_in_the_middle(mix: Callable[[str], Audio]) -> None:
    mixed = mix("jazz_club")
    left, right = (Audio(mixed.samples[channel : channel + 1], RATE_HZ) for channel in (0, 1))
    assert band_db(left, 500, 545) > band_db(right, 500, 545) + 3
    assert band_db(left, 75, 90) == pytest.approx(band_db(right, 75, 90), abs=1.5)


def test_given_settings_replace_the_presets(band: dict[str, Audio]) -> None:
    mixed = AudioMixer().mix_preset(band, "jazz_club", panning={"piano": 1.0}, levels={"x": -96}, effects={"piano": []})
    left, right = (Audio(mixed.samples[channel : channel + 1], RATE_HZ) for channel in (0, 1))
    assert band_db(right, 500, 545) > band_db(left, 500, 545) + 10


@pytest.mark.parametrize(
    ("instrument", "family"),
    [
        ("piano", "keys"),
        ("Jazz Piano 2", "keys"),
        ("upright_bass", "bass"),
        ("bass guitar", "bass"),
        ("Bass clarinet", "woodwind"),
        ("bass drum", "drums"),
        ("808", "bass"),
        ("guitar solo", "guitar"),
        ("lead synth", "synth"),
        ("French horn", "brass"),
        ("tenor sax", "woodwind"),
        ("string section", "strings"),
        ("drums", "drums"),
        ("kazoo", "other"),
        ("ピアノ", "other"),
        ("", "other"),
    ],
)
def test_an_instruments_name_decides_its_family(instrument: str, family: str) -> None:
    assert family_of(instrument) == family


def test_presets_name_only_families_that_exist() -> None:
    for preset in PRESETS.values():
        assert set(preset.families) <= {*FAMILIES, OTHER}
        assert OTHER in preset.families


def test_two_of_a_family_are_panned_apart_and_four_further_out() -> None:
    strips = PRESETS["rock_stage"].channel_strips(["guitar 1", "guitar 2", "guitar 3", "guitar 4"])
    pans = [strip.pan for strip in strips.values()]
    assert pans[:2] == pytest.approx([-0.7, 0.7])
    assert len(set(pans)) == 4
    assert all(-1 <= pan <= 1 for pan in pans)


@pytest.mark.parametrize("name", ["jazz club", "", None, 3])
def test_an_unknown_preset_lists_those_that_there_are(name: object) -> None:
    with pytest.raises(MixError, match=r"mix_preset: unknown preset; send one of jazz_club, .*unplugged"):
        find_preset(name)
