"""Track one request while it is decoded: its windows, its codes so far, its step in the current window (`Sequence`).

Runs nothing itself. Music longer than the model's window is decoded in several windows: each starts from the codes that
the last one ended with, EXTEND_STRIDE_S later, as audiocraft's `extend_stride` does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from worker.engine.codec.codec import CodecStream
from worker.engine.core.handle import Handle
from worker.engine.model.conditioning import Conditions
from worker.engine.model.delay_pattern import DelayPattern
from worker.engine.model.windows import Frames


class Sequence:
    """Hold the decoding state of one request.

    `tokens` is the current window in the delay pattern's layout; `step` the column that the decoder reads next.
    """

    def __init__(
        self,
        handle: Handle,
        frames: Frames,
        pattern: DelayPattern,
        conditions: list[Conditions],
        known: torch.Tensor | None = None,
    ) -> None:
        self.handle = handle
        self.request = handle.request
        self.frames = frames
        self.pattern = pattern
        self.conditions = conditions  # one per window
        self.windows = frames.windows()
        self.window = -1
        self.decoded = 0  # decode steps over all windows, for progress and for the sampler's noise
        self.step = 0
        self.tokens = torch.empty(0)  # [codebooks, steps] int64
        # [codebooks, frames so far]: at first `known`, the codes of the audio that the request continues
        self.codes = torch.empty(len(pattern.delays), 0, dtype=torch.int64) if known is None else known
        self.pending_conditions: Conditions | None = None  # of a window that is laid out and not yet prefilled
        self.prefix_length = 0
        self.began_at = 0.0  # monotonic seconds when it got its slot
        self.stream: CodecStream | None = None  # the codec's side of a streamed request, and its audio
        self.waveform: npt.NDArray[np.float32] = np.empty((0, 0), np.float32)  # [channels, samples], filled in order
        self.samples_done = 0  # samples of it that are filled
        self.chunks_taken = 0  # of a stream
        self._streamed = 0  # frames in these

    @property
    def halves(self) -> int:
        """Return its rows in the batch: guidance 1 needs no null half, guidance 0 (or no condition) only that one."""
        return 2 if self.request.conditioned and self.request.guidance_scale != 1 else 1

    @property
    def has_conditional_half(self) -> bool:
        return self.request.conditioned

    @property
    def window_steps(self) -> int:
        return self.tokens.shape[1]

    @property
    def window_done(self) -> bool:
        """Tell whether the window is decoded: its last step is predicted from the one before it."""
        return self.step >= self.window_steps - 1

    @property
    def done(self) -> bool:
        return self.window_done and self.window == len(self.windows) - 1

    def next_window(self) -> Conditions:
        """Store the codes of the window that has ended, lay out the next one, and return its halves' conditions."""
        self._store_window()
        self.window += 1
        offset, length, known = self.windows[self.window]
        self.tokens = self.pattern.lay_out(length, self.codes[:, offset : offset + known])
        self.step = self.pattern.first_step(known) - 1
        conditions = self.conditions[self.window]
        return replace(conditions, prefix=conditions.prefix[: self.halves])  # of (conditional, null)

    def all_codes(self) -> torch.Tensor:
        """Return the codes of all windows. [codebooks, frames]"""
        self._store_window()
        return self.codes

    def take_new_codes(self, at_least: int) -> torch.Tensor | None:
        """Return complete frames not yet taken, once there are `at_least` or it is the end. [codebooks, frames]"""
        offset, length, _ = self.windows[self.window]
        complete = length if self.window_done else max(0, self.step - max(self.pattern.delays))
        count = offset + complete - self._streamed
        if count < at_least and not (self.done and count > 0):
            return None
        before = self.codes[:, self._streamed : offset]  # given, and not even in the first window
        decoded = self.pattern.codes(self.tokens, complete)[:, max(0, self._streamed - offset) :]
        self._streamed += count
        self.chunks_taken += 1
        return torch.cat([before, decoded], dim=1)

    def _store_window(self) -> None:
        if self.window < 0:
            return
        _, length, known = self.windows[self.window]
        codes = self.pattern.codes(self.tokens, length)
        self.codes = torch.cat([self.codes, codes[:, known:]], dim=1)
