"""The decoder is a synthesizer before any training: exact tones that go on without a seam, and drums as recorded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.codec.build import codebooks, make_codec
from training.codec.instruments import SEMITONES, measure_drum, semitone_hz
from training.codec.oscillators import RADIUS, angle
from training.codec.space import CONSTANT_DIM, DIMENSION, LOUDNESS_DIM, LOUDNESS_UNIT
from training.data.composer import compose, draw_spec
from training.data.render import PlainPlayer
from training.data.tokens import BOOKS, DRUMS, HIT_CODE, HITS, write_codes
from training.measure.soundness import is_clipped, is_silent
from worker.engine.imports.audiocraft import EncodecModel

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("torch")]

A_MINOR_TRIAD = (21, 24, 28)  # semitones above C1: A2, C3, E3


@pytest.fixture(scope="module")
def codec() -> EncodecModel:
    torch.set_num_threads(1)
    return make_codec(PlainPlayer())


def sound_of(codec: EncodecModel, loudness: dict[int, float], frames: int) -> np.ndarray:
    """Semitones held at a loudness. -> wave"""
    latent = torch.zeros(1, DIMENSION, frames)
    latent[:, CONSTANT_DIM] = 1
    for semitone, amplitude in loudness.items():
        latent[:, LOUDNESS_DIM + semitone] = amplitude / LOUDNESS_UNIT
    with torch.no_grad():
        return np.asarray(codec.decoder(latent)[0, 0].numpy())


def test_a_low_triad_sounds_as_three_clean_tones(codec: EncodecModel) -> None:
    wave = sound_of(codec, dict.fromkeys(A_MINOR_TRIAD, 0.05), 300)
    inner = wave[32000 : 32000 * 5]
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner)))) / (len(inner) / 4)
    hz = np.fft.rfftfreq(len(inner), 1 / 32000)
    tones = np.zeros(len(hz), dtype=bool)
    for semitone in A_MINOR_TRIAD:
        near = np.abs(hz - semitone_hz(semitone)) < 1.0
        assert spectrum[near].max() == pytest.approx(0.05, rel=0.1)
        tones |= near
    assert spectrum[~tones].max() < 0.05 * 10 ** (-40 / 20)


def test_every_phasor_keeps_its_pitch_for_30_s(codec: EncodecModel) -> None:
    lstm = codec.decoder.model[1].lstm
    first = torch.nn.LSTM(lstm.input_size, lstm.hidden_size, 1)
    first.load_state_dict({name: value for name, value in lstm.state_dict().items() if name.endswith("l0")})
    latent = torch.zeros(1, DIMENSION, 1500)
    latent[:, CONSTANT_DIM] = 1
    with torch.no_grad():
        hidden = first(codec.decoder.model[0](latent).permute(2, 0, 1))[0][:, 0]  # [frames, units]
    phasors = torch.complex(hidden[:, :SEMITONES], hidden[:, SEMITONES : 2 * SEMITONES]).numpy()
    turned = np.unwrap(np.angle(phasors), axis=0)[-1] - np.angle(phasors[0])
    for semitone in range(SEMITONES):
        late = (turned[semitone] - angle(semitone) * 1499 + np.pi) % (2 * np.pi) - np.pi
        assert abs(late) < 1.0, f"semitone {semitone} is {late:.2f} rad off after 30 s"
    assert np.abs(phasors).min() > 0.8 * RADIUS


def test_a_drum_is_played_as_it_was_recorded(codec: EncodecModel) -> None:
    hit = next(hit for hit in HITS if hit and len(hit.keys) == 1 and hit.age == 0)
    (key,) = hit.keys
    recorded = measure_drum(PlainPlayer(), key).ravel()
    codes = torch.zeros(1, BOOKS, 40, dtype=torch.long)
    first = HIT_CODE[hit]
    frames = len(recorded) // 640
    codes[0, DRUMS, 10 : 10 + frames] = first + torch.arange(frames)
    with torch.no_grad():
        without = codes.clone()
        without[0, DRUMS] = 0
        wave = (codec.decode(codes) - codec.decode(without))[0, 0].numpy()
    assert np.allclose(wave[6400 : 6400 + len(recorded)], recorded, atol=2e-3)


def test_codes_are_found_again_in_the_sum_of_their_vectors(codec: EncodecModel) -> None:
    codes = torch.from_numpy(write_codes(compose(draw_spec(5)))[None].astype(np.int64))
    latent = codec.decode_latent(codes)
    assert torch.equal(codec.quantizer.encode(latent), codes)


def test_pieces_are_neither_silent_nor_clipped(codec: EncodecModel) -> None:
    codes = torch.from_numpy(write_codes(compose(draw_spec(5)))[None, :, :200].astype(np.int64))
    with torch.no_grad():
        wave = codec.decode(codes)[0, 0].numpy()
    assert not is_silent(wave)
    assert not is_clipped(wave)
    assert len(codebooks(codec)) == BOOKS
