"""Synthesise small sounds, and files of them, for tests. Waveforms are [channels, samples] float32."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

Waveform = npt.NDArray[np.float32]

FILE_FORMATS: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "float wav": {"format": "WAV", "subtype": "FLOAT"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    "aiff": {"format": "AIFF", "subtype": "PCM_16"},
}


def times_s(seconds: float, rate_hz: int) -> npt.NDArray[np.float64]:
    return np.arange(round(seconds * rate_hz)) / rate_hz


def tone(
    frequency_hz: float = 440.0,
    seconds: float = 1.0,
    *,
    rate_hz: int = 32_000,
    channels: int = 1,
    peak: float = 0.5,
) -> Waveform:
    wave = peak * np.sin(2 * np.pi * frequency_hz * times_s(seconds, rate_hz))
    return np.tile(wave.astype(np.float32), (channels, 1))


def square(frequency_hz: float = 110.0, seconds: float = 2.0, *, rate_hz: int = 32_000, peak: float = 1.0) -> Waveform:
    """Return the hardest common wave for a lossy codec: each edge overshoots."""
    return (peak * np.sign(tone(frequency_hz, seconds, rate_hz=rate_hz) + 1e-6)).astype(np.float32)


def noise(seconds: float = 2.0, *, rate_hz: int = 32_000, channels: int = 1, peak: float = 1.0) -> Waveform:
    samples = np.random.default_rng(7).uniform(-peak, peak, (channels, round(seconds * rate_hz)))
    return samples.astype(np.float32)


def silence(seconds: float = 1.0, *, rate_hz: int = 32_000, channels: int = 1) -> Waveform:
    return np.zeros((channels, round(seconds * rate_hz)), np.float32)


def file_of(waveform: Waveform, rate_hz: int, kind: str = "wav", *, repeat: int = 1) -> bytes:
    """Return the bytes of an audio file that holds the waveform `repeat` times."""
    out = io.BytesIO()
    with sf.SoundFile(out, "w", rate_hz, channels=len(waveform), **FILE_FORMATS[kind]) as file:
        for _ in range(repeat):
            file.write(waveform.T)
    return out.getvalue()


def data_uri(recording: bytes, media_type: str = "audio/wav") -> str:
    """Return a file's bytes as JSON carries them (RFC 2397)."""
    return f"data:{media_type};base64,{base64.b64encode(recording).decode()}"


def contained(waveform: Waveform, rate_hz: int, container: str, codec: str, **options: str) -> bytes:
    """Return the bytes of a file that libsndfile cannot write, by FFmpeg: m4a is ("ipod", "aac"), webm libopus."""
    import av  # here: tests of the installed Python client have no FFmpeg beside it

    out = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(waveform)]
    packed = np.ascontiguousarray(waveform.T).reshape(1, -1)  # PyAV 18 cannot make eight planes
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    frame.sample_rate = rate_hz
    with av.open(out, "w", format=container, options=options) as file:
        stream: Any = file.add_stream(codec, rate=rate_hz, layout=layout, options={"strict": "experimental"})
        stream.codec_context.open()
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(format=stream.codec_context.format, frame_size=size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux([packet for packet in stream.encode(None) if packet.size])  # FLAC's encoder ends with an empty one
    return out.getvalue()


def read_back(data: bytes) -> tuple[Waveform, int]:
    samples, rate_hz = sf.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return samples.T, rate_hz


def played(data: bytes) -> tuple[Waveform, int]:
    """Return what a player gives of an m4a or aac: [channels, samples], and their rate."""
    import av  # as above

    with av.open(io.BytesIO(data)) as file:
        stream = file.streams.audio[0]
        return np.concatenate([frame.to_ndarray() for frame in file.decode(stream)], axis=1), stream.rate


def loudest_hz(samples: npt.NDArray[np.float32], rate_hz: int) -> float:
    """Return the frequency of the strongest partial of one channel."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate_hz / len(samples)
