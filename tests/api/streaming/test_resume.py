"""What a listener is given over several attempts, and the containers that it comes in."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from api.streaming.encoders import StreamEncoder, open_encoder, pcm_of
from api.streaming.resume import BrokenOff, ResumePoint
from shared.jobs.audio_chunks import Chunk, Kind

RATE_HZ = 32_000
SOUND = np.random.default_rng(3).integers(-8000, 8000, 2000).astype("<i2").tobytes()


def attempt(number: int, sound: bytes, cuts: list[int], ended: bool = False) -> list[Chunk]:
    bounds = [0, *sorted(cut % (len(sound) // 2 + 1) * 2 for cut in cuts), len(sound)]
    parts: list[tuple[Kind, bytes]] = [("begin" if number == 1 else "restart", b"")]
    parts += [("audio", sound[a:b]) for a, b in pairwise(bounds)]
    parts += [("end", b"")] * ended
    return [Chunk(number, n, kind, RATE_HZ, 1, pcm) for n, (kind, pcm) in enumerate(parts, 1)]


def taken(playback: ResumePoint, chunks: list[Chunk]) -> bytes:
    return b"".join([playback.take(chunk) for chunk in chunks])


CUTS = st.lists(st.integers(0, 5000), max_size=6)


@given(st.lists(st.tuples(st.integers(0, 999), CUTS), max_size=4), CUTS)
def test_however_often_an_attempt_dies_the_joined_sound_is_the_last_ones(
    died: list[tuple[int, list[int]]], cuts: list[int]
) -> None:
    playback, got = ResumePoint(), b""
    for number, (samples, its_cuts) in enumerate(died, 1):
        got += taken(playback, attempt(number, SOUND[: 2 * samples], its_cuts))
        assert not playback.is_complete
    got += taken(playback, attempt(len(died) + 1, SOUND, cuts, ended=True))
    assert got == SOUND
    assert playback.is_complete


@given(st.integers(0, 499), st.integers(500, 900), CUTS)
def test_one_other_sample_among_those_that_were_heard_breaks_it_off(at: int, heard: int, cuts: list[int]) -> None:
    playback, other = ResumePoint(), bytearray(SOUND)
    other[2 * at] ^= 1
    taken(playback, attempt(1, SOUND[: 2 * heard], cuts))
    with pytest.raises(BrokenOff, match="other samples"):
        taken(playback, attempt(2, bytes(other), cuts, ended=True))
    assert playback.sent_bytes == 2 * heard, "nothing of it was glued on"


def test_a_shorter_attempt_or_another_rate_breaks_it_off() -> None:
    playback = ResumePoint()
    taken(playback, attempt(1, SOUND, []))
    with pytest.raises(BrokenOff, match="shorter"):
        taken(playback, attempt(2, SOUND[:100], [], ended=True))
    with pytest.raises(BrokenOff, match="sample rate"):
        playback.take(Chunk(3, 1, "restart", 16_000, 1))


def file_of(container: StreamEncoder, sound: bytes, step: int) -> bytes:
    parts = [container.add(sound[at : at + step]) for at in range(0, len(sound), step)]
    return container.begin() + b"".join(parts) + container.end()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ["wav", "mp3", "ogg"])
def test_a_container_that_was_never_sought_in_is_a_good_file(name: str, channels: int) -> None:
    tone = 0.4 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE_HZ) / RATE_HZ)
    frames = np.repeat(np.rint(32768 * tone)[:, None], channels, axis=1).astype("<i2")
    file = file_of(open_encoder(name, RATE_HZ, channels), frames.tobytes(), 2 * channels * 8000)
    samples, rate_hz = soundfile.read(io.BytesIO(file), dtype="int16", always_2d=True)
    assert (rate_hz, samples.shape[1]) == (RATE_HZ, channels)
    assert abs(len(samples) - len(frames)) < 0.1 * RATE_HZ
    spectrum = np.abs(np.fft.rfft(samples[RATE_HZ : 2 * RATE_HZ, 0]))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    if name == "wav":
        assert np.array_equal(samples, frames)


@pytest.mark.parametrize(("name", "delay_s"), [("wav", 0.0), ("mp3", 0.3), ("ogg", 1.0)])
def test_sound_leaves_as_it_comes(name: str, delay_s: float) -> None:
    """Of noise, as dense as music: what was put in so long ago has been given out."""
    noise = np.random.default_rng(1).normal(0, 6000, 4 * RATE_HZ).astype("<i2")
    container, given_out = open_encoder(name, RATE_HZ, 1), b""
    given_out += container.begin()
    for second in range(4):
        given_out += container.add(noise[second * RATE_HZ : (second + 1) * RATE_HZ].tobytes())
    if name == "wav":
        assert len(given_out) == 44 + 2 * len(noise)
        return
    samples, _ = soundfile.read(io.BytesIO(given_out), dtype="int16")
    assert len(samples) > (4 - delay_s) * RATE_HZ


def test_a_stored_file_is_read_as_the_chunks_were() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(SOUND, "<i2"), RATE_HZ, format="WAV")
    file.seek(0)
    rate_hz, channels, blocks = pcm_of(file, 300)
    parts = list(blocks)
    assert (rate_hz, channels, b"".join(parts)) == (RATE_HZ, 1, SOUND)
    assert max(map(len, parts)) == 600
