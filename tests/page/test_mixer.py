"""The page's mixer in Chromium beside the server's: the same stems, settings and loudness."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pytest

from mixing.audio import Audio
from mixing.mixer import AudioMixer
from mixing.presets import PRESETS
from shared.music.mix_spec import preset_settings
from tests.audio_fixtures import Waveform, tone
from tests.page.conftest import Visit

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

RATE_HZ, LUFS = 32_000, -24.0
RENDER = """async ({ stems, settings, rate }) => {
  const own = document.querySelector('script[type=module]').src.replace(/[^/]*$/, '');
  const { Mixer } = await import(`${own}lib/mixer.js`);
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const buffers = {};
  for (const [name, channels] of Object.entries(stems)) {
    const all = channels.map(floats);
    buffers[name] = new AudioBuffer({ numberOfChannels: all.length, length: all[0].length, sampleRate: rate });
    all.forEach((samples, side) => buffers[name].copyToChannel(samples, side));
  }
  const mix = await new Mixer(buffers).mix(settings);
  return mix.map((samples) => {
    const bytes = new Uint8Array(samples.buffer);
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  });
}"""
Strips = dict[str, dict[str, Any]]


def stems() -> dict[str, Waveform]:
    noise = np.random.default_rng(3).standard_normal((2, RATE_HZ)).astype(np.float32)
    lead = np.concatenate([tone(440, 1.0, peak=0.3), tone(554, 1.0, peak=0.1)])
    return {"piano": lead, "bass": tone(110, 1.0, peak=0.4), "drums": 0.1 * noise[:1], "guitar": 0.1 * noise[1:]}


def on_the_page(
    visit: Visit, tracks: dict[str, Waveform], strips: Strips, bus: list[dict[str, Any]], lufs: float = LUFS
) -> Waveform:
    sent = {
        name: [base64.b64encode(np.ascontiguousarray(channel, np.float32).tobytes()).decode() for channel in samples]
        for name, samples in tracks.items()
    }
    settings = {"strips": strips, "bus": bus, "loudness": lufs}
    rendered = visit.page.evaluate(RENDER, {"stems": sent, "settings": settings, "rate": RATE_HZ})
    return np.stack([np.frombuffer(base64.b64decode(channel), np.float32) for channel in rendered])


def on_the_server(
    tracks: dict[str, Waveform], strips: Strips, bus: list[dict[str, Any]], lufs: float = LUFS
) -> Waveform:
    mixer = AudioMixer(RATE_HZ)
    by_name = {what: {name: strip[what] for name, strip in strips.items()} for what in ("level", "panning", "effects")}
    mix = mixer.mix_tracks(
        {name: Audio(samples, RATE_HZ) for name, samples in tracks.items()},
        levels=by_name["level"],
        panning=by_name["panning"],
        effects=by_name["effects"],
    )
    return mixer.master(mixer.apply_effects(mix, bus), lufs).samples


def octave_levels_db(samples: Waveform) -> Any:
    """Measure each channel's level in each octave from 62 Hz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    octave = np.floor(np.log2(np.maximum(np.fft.rfftfreq(samples.shape[1], 1 / RATE_HZ), 1) / 62.5)).astype(int)
    return np.array([[10 * np.log10(one[octave == n].sum()) for n in range(8)] for one in power])


def levels_db(samples: Waveform) -> Any:
    """Measure each channel's level."""
    return 10 * np.log10((samples**2).mean(axis=1))


def test_the_pages_mix_is_the_servers_to_half_a_decibel_in_each_octave(open_page: Callable[..., Visit]) -> None:
    visit, tracks = open_page(), stems()
    plain = {
        "piano": {"level": -3.0, "panning": 0.4, "effects": []},
        "bass": {"level": 2.0, "panning": -1.0, "effects": [{"type": "gain", "gain_db": 3.0}]},
        "drums": {"level": -96.0, "panning": 0.0, "effects": []},
        "guitar": {"level": -12.0, "panning": 0.9, "effects": []},
    }
    np.testing.assert_allclose(on_the_page(visit, tracks, plain, []), on_the_server(tracks, plain, []), atol=1e-3)
    low, high = ({"type": kind, "frequency_hz": hz} for kind, hz in (("highpass", 150.0), ("lowpass", 4000.0)))
    bands = [
        {"type": "equalizer", "frequency_hz": hz, "gain_db": gain_db, "q": 0.71, "shape": shape}
        for hz, gain_db, shape in ((300.0, -6.0, "peak"), (200.0, 5.0, "low_shelf"), (5000.0, 6.0, "high_shelf"))
    ]
    chains = {"piano": [low, bands[0]], "bass": [bands[1]], "drums": [high, *bands], "guitar": [low, high]}
    filtered = {name: {"level": -3.0, "panning": 0.2, "effects": chain} for name, chain in chains.items()}
    here, there = on_the_page(visit, tracks, filtered, []), on_the_server(tracks, filtered, [])
    np.testing.assert_allclose(octave_levels_db(here), octave_levels_db(there), atol=0.5)


def test_reverb_and_echoes_are_as_loud_on_the_page_as_in_the_servers_mix(open_page: Callable[..., Visit]) -> None:
    noise = np.random.default_rng(4).standard_normal((1, 2 * RATE_HZ)).astype(np.float32) * 0.1
    wet = [{"type": "delay", "delay_ms": 300.0, "feedback": 0.3, "wet": 0.25}]
    wet.append({"type": "reverb", "decay_s": 1.2, "pre_delay_ms": 12.0, "damping": 0.0, "wet": 0.3})
    strips = {
        "x": {"level": 0.0, "panning": 0.3, "effects": wet},
        "dry": {"level": 0.0, "panning": -0.9, "effects": []},
    }
    tracks = {"x": noise, "dry": tone(1000, 2.0, peak=0.05)}
    visit = open_page()
    here, there = on_the_page(visit, tracks, strips, []), on_the_server(tracks, strips, [])
    np.testing.assert_allclose(levels_db(here), levels_db(there), atol=0.5)


BAND = (
    *("piano", "guitar", "bass", "drums", "conga", "violin", "trumpet", "flute"),
    *("voice", "synth arp", "warm pad", "theremin"),
)


def band() -> dict[str, Waveform]:
    """Make two seconds of one instrument of each family: struck noise of all octaves over a hum."""
    random = np.random.default_rng(5)
    at_s = np.arange(2 * RATE_HZ) / RATE_HZ
    tracks = {}
    for n, name in enumerate(BAND):
        struck = np.exp(-6 * ((1 + n % 4) * at_s % 1.0))  # so many times a second
        noise = random.standard_normal((1 + n % 2, len(at_s)))
        hum = np.sin(2 * np.pi * 55 * 2 ** (n / 3) * at_s)
        tracks[name] = ((0.12 * noise + 0.4 * hum) * struck).astype(np.float32)
    return tracks


# the two that differ most, and one with every effect; the others take as long, and run with `make test-long`
USUAL_PRESETS = ("concert_hall", "electronic_club", "rock_stage")


@pytest.mark.parametrize(
    "name", [name if name in USUAL_PRESETS else pytest.param(name, marks=pytest.mark.long) for name in PRESETS]
)
def test_a_presets_mix_is_within_half_a_decibel_of_the_servers(open_page: Callable[..., Visit], name: str) -> None:
    """The two differ by at most 0.5 dB in each octave without reverb, and in overall level with it."""
    visit, tracks, preset = open_page(), band(), PRESETS[name]
    mixes = (partial(on_the_page, visit), on_the_server)
    bus = [effect.as_json() for effect in preset.bus]
    whole = {track: asdict(settings) for track, settings in preset_settings(name, list(tracks)).items()}
    dry = {
        track: strip | {"effects": [each for each in strip["effects"] if each["type"] != "reverb"]}
        for track, strip in whole.items()
    }
    octaves = [octave_levels_db(mix(tracks, dry, bus, preset.target_lufs)) for mix in mixes]
    levels = [levels_db(mix(tracks, whole, bus, preset.target_lufs)) for mix in mixes]
    octave_db, level_db = (float(abs(here - there).max()) for here, there in (octaves, levels))
    print(f"{name}: without reverb {octave_db:.2f} dB off in an octave, with it {level_db:.2f} dB in level")
    assert max(octave_db, level_db) <= 0.5
