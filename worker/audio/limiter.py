"""Limit the peaks of audio that is streamed while it is decoded, with a look-ahead of four milliseconds.

It works in blocks laid from the very first sample on, so that the result does not depend on how the audio was cut on
its way in: joined chunks equal one call bit for bit. A block's gain moves in a straight line between two bounds; each
bound is low enough for the peaks of both blocks that it touches, so no sample passes the ceiling. Both channels get one
gain. Where nothing is loud, the samples go through as they are. Knows no engine and no file.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

BLOCK_S = 0.004
RELEASE_S = 0.2  # until a reduction has fallen to a third (1/e)
SILENT_DB = 1e-3  # a reduction below this is none


class CausalLimiter:
    """Limit chunk by chunk: `push` the audio as it comes, then `finish`. `reduced_db` is the largest reduction."""

    def __init__(self, ceiling: float, sample_rate_hz: int, channels: int) -> None:
        self.reduced_db = 0.0
        self._ceiling = ceiling
        self._block = max(1, round(BLOCK_S * sample_rate_hz))
        self._share = math.exp(-self._block / (RELEASE_S * sample_rate_hz))
        self._rise = (np.arange(self._block) / self._block)[None]  # [1, block]
        self._rest = np.zeros((channels, 0), np.float32)  # not yet a block
        self._ahead: Samples | None = None  # the block that waits for the next one's peak [channels, block]
        self._wanted_db = 0.0  # what that block needs
        self._bound_db = 0.0  # the reduction where it begins

    def push(self, samples: Samples) -> Samples:
        """Take the next samples [channels, n] and return those settled by now, [channels, m]."""
        known = np.concatenate([self._rest, samples.astype(np.float32, copy=False)], axis=1)
        complete = known.shape[1] // self._block * self._block
        self._rest = known[:, complete:]
        done = [self._next(known[:, at : at + self._block]) for at in range(0, complete, self._block)]
        return np.concatenate([self._rest[:, :0], *done], axis=1)

    def finish(self) -> Samples:
        """End the stream: return the last samples, [channels, m]."""
        rest = self._rest.shape[1]
        missing = np.zeros((self._rest.shape[0], self._block), np.float32)
        last = np.concatenate([self._rest, missing], axis=1)[:, : self._block]
        before = self._next(last)
        after = self._next(missing)
        self._ahead, self._rest = None, self._rest[:, :0]
        return np.concatenate([before, after[:, :rest]], axis=1)

    def _next(self, block: Samples) -> Samples:
        """Return the block before this one, limited, now that this one's peak is known."""
        peak = float(np.abs(block).max())
        wanted_db = 20 * math.log10(peak / self._ceiling) if peak > self._ceiling else 0.0
        if self._ahead is None:
            self._ahead, self._wanted_db, self._bound_db = block, wanted_db, wanted_db
            return block[:, :0]
        falling_db = self._bound_db * self._share
        end_db = max(self._wanted_db, wanted_db, falling_db if falling_db > SILENT_DB else 0.0)
        lowered = self._lower(self._ahead, self._bound_db, end_db)
        self.reduced_db = max(self.reduced_db, end_db, self._bound_db)
        self._ahead, self._wanted_db, self._bound_db = block, wanted_db, end_db
        return lowered

    def _lower(self, block: Samples, begin_db: float, end_db: float) -> Samples:
        if begin_db == 0.0 == end_db:
            return block
        begin, end = 10 ** (-begin_db / 20), 10 ** (-end_db / 20)
        lowered: Samples = (block * (begin + (end - begin) * self._rise)).astype(np.float32)
        return lowered
