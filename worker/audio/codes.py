"""Store a clip's codes beside its audio: a few kilobytes from which a continuation starts exactly.

Owns their file format. Where they cannot be stored or read, the continuation encodes the audio.
"""

from __future__ import annotations

import io
import logging

import numpy as np
import numpy.typing as npt

from shared.errors import BlobMissing, StorageUnavailable
from shared.storage import Storage

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/octet-stream"
KEEP_RETRY_S = 5.0  # the audio has just been stored, or was not

Codes = npt.NDArray[np.int64]


def keep_codes(storage: Storage, key: str, codes: Codes) -> None:
    """Store the codes [codebooks, frames]; a store that is away is only logged."""
    small = np.int16 if codes.size and codes.max() < 1 << 15 else np.int32  # codebooks have 2048 entries
    file = io.BytesIO()
    np.save(file, codes.astype(small), allow_pickle=False)
    try:
        storage.put(key, file.getvalue(), MEDIA_TYPE, retry_s=KEEP_RETRY_S)
    except StorageUnavailable as error:
        log.warning("the codes %s are not kept: %s", key, error)


def read_codes(storage: Storage, key: str, retry_s: float) -> Codes | None:
    """Read the codes [codebooks, frames], or None when they are gone or damaged. Raises StorageUnavailable."""
    try:
        codes = np.load(io.BytesIO(storage.read(key, retry_s=retry_s)), allow_pickle=False)
    except (BlobMissing, ValueError, EOFError) as error:
        log.warning("the codes %s cannot be read, the audio must do: %s", key, error)
        return None
    return codes.astype(np.int64) if codes.ndim == 2 and codes.dtype.kind == "i" else None
