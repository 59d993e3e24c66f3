"""The stored melody of a job -> samples at the rate the model hears. It was checked at submit; here it is only read."""

from __future__ import annotations

import io

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from shared.request import MelodyRef
from shared.storage import Storage


def read_melody(storage: Storage, melody: MelodyRef, rate_hz: int, retry_s: float) -> NDArray[np.float32]:
    """Mono samples at `rate_hz`. [samples]

    Raises BlobMissing when the upload is gone, StorageUnavailable when the store is away for longer than `retry_s`.
    """
    samples, stored_rate_hz = soundfile.read(
        io.BytesIO(storage.read(melody.key, retry_s=retry_s)), dtype="float32"
    )  # [samples]
    if stored_rate_hz != rate_hz:
        samples = soxr.resample(samples, stored_rate_hz, rate_hz)
    return np.ascontiguousarray(samples, dtype=np.float32)
