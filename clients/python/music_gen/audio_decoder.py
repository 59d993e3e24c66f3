"""Decode a file to samples: by libsndfile, and m4a and aac, which that does not read, by PyAV where it is installed."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soundfile

from music_gen.errors import DecoderMissing

BY_PYAV = ("m4a", "aac")
FULL_SCALE = 32768


def decode(data: bytes, format: str, dtype: Literal["float32", "int16"] = "float32") -> tuple[npt.NDArray[Any], int]:
    """Return a file's samples, [channels, samples], and their rate. Raises DecoderMissing."""
    if format not in BY_PYAV:
        frames, rate_hz = soundfile.read(io.BytesIO(data), dtype=dtype, always_2d=True)  # [samples, channels]
        return np.ascontiguousarray(frames.T), rate_hz
    try:
        import av
    except ImportError as error:
        raise DecoderMissing(
            f"nothing here reads the samples of {format}: pip install av, or ask for another format, such as wav. "
            "save() writes the file as it is"
        ) from error
    with av.open(io.BytesIO(data), "r") as file:
        stream = file.streams.audio[0]
        samples = np.concatenate([frame.to_ndarray() for frame in file.decode(stream)], axis=1)
        if dtype == "int16":
            samples = np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
        return samples, int(stream.rate)
