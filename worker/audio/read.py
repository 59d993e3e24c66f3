"""Read the audio that a job names as samples at the model's rate. It was validated at submit."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from shared.audio.decode import decode
from shared.storage import Storage


def read_melody(storage: Storage, key: str, sha256: str, rate_hz: int, retry_s: float) -> NDArray[np.float32]:
    """Read mono samples at `rate_hz`. [samples] Raises as `read_audio`."""
    return np.ascontiguousarray(read_audio(storage, key, sha256, rate_hz, retry_s).mean(axis=0))


def read_audio(storage: Storage, key: str, sha256: str, rate_hz: int, retry_s: float) -> NDArray[np.float32]:
    """Read audio in its own channels, at `rate_hz`. [channels, samples]

    Raises BlobMissing when the blob is gone or has another digest than its record says, StorageUnavailable when the
    store is away for longer than `retry_s`.
    """
    blob = storage.read(key, sha256=sha256, retry_s=retry_s)
    samples, stored_rate_hz = decode(blob, key.rpartition(".")[2])
    if stored_rate_hz != rate_hz:
        samples = soxr.resample(samples.T, stored_rate_hz, rate_hz).T
    return np.ascontiguousarray(samples, dtype=np.float32)
