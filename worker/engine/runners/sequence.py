"""Sequence: one piece of music being made. Its windows, its codes so far, its place in the current window.

Knows what comes next, and runs nothing. A piece longer than the model's window is made in several: each starts from the
codes that the last one ended with, EXTEND_STRIDE_S later, as audiocraft's `extend_stride` does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from worker.engine.codec.codec import CodecStream
from worker.engine.core.handle import Handle
from worker.engine.model.conditioning import Conditions
from worker.engine.model.delay_pattern import DelayPattern
from worker.engine.model.windows import Frames


class Sequence:
    """`tokens` is the current window's laid-out sequence; `step` the position that the decoder reads next."""

    def __init__(
        self,
        handle: Handle,
        frames: Frames,
        pattern: DelayPattern,
        conditions: list[Conditions],
        known: torch.Tensor | None = None,
    ) -> None:
        self.handle = handle
        self.piece = handle.piece
        self.frames = frames
        self.pattern = pattern
        self.conditions = conditions  # one per window
        self.windows = frames.windows()
        self.window = -1
        self.decoded = 0  # decode steps over all windows, for progress and for the sampler's noise
        self.step = 0
        self.tokens = torch.empty(0)  # [codebooks, steps] int64
        # [codebooks, frames so far]: at first `known`, the codes of the audio that the piece continues
        self.codes = torch.empty(len(pattern.delays), 0, dtype=torch.int64) if known is None else known
        self.opening: Conditions | None = None  # of a window that is laid out and not yet begun
        self.prefix_length = 0
        self.began_at = 0.0  # monotonic seconds when it got its slot
        self.stream: CodecStream | None = None  # the codec's side of a streamed piece, and its sound
        self.sound: npt.NDArray[np.float32] = np.empty((0, 0), np.float32)  # [channels, samples], filled as it comes
        self.sounded = 0  # samples of it that are there
        self._streamed = 0  # frames already given to the codec

    @property
    def halves(self) -> int:
        """Rows in the batch: guidance 1 needs no null half, guidance 0 (or nothing to steer by) no conditional one."""
        return 2 if self.piece.conditioned and self.piece.guidance_scale != 1 else 1

    @property
    def has_conditional_half(self) -> bool:
        return self.piece.conditioned

    @property
    def heard(self) -> bool:
        """Whether some of a streamed piece was given to the codec already."""
        return self._streamed > 0

    @property
    def window_steps(self) -> int:
        return self.tokens.shape[1]

    @property
    def window_done(self) -> bool:
        """The last step is predicted from the one before it."""
        return self.step >= self.window_steps - 1

    @property
    def done(self) -> bool:
        return self.window_done and self.window == len(self.windows) - 1

    def next_window(self) -> Conditions:
        """Keep the codes of the window that has ended, lay out the next one, and give its conditions."""
        self._keep()
        self.window += 1
        offset, length, known = self.windows[self.window]
        self.tokens = self.pattern.lay_out(length, self.codes[:, offset : offset + known])
        self.step = self.pattern.first_step(known) - 1
        return self.conditions[self.window]

    def finished_codes(self) -> torch.Tensor:
        """[codebooks, frames] of the whole piece."""
        self._keep()
        return self.codes

    def fresh_codes(self, at_least: int) -> torch.Tensor | None:
        """Complete frames that no one has had yet, once there are so many or it is the end. [codebooks, frames]"""
        offset, length, _ = self.windows[self.window]
        complete = length if self.window_done else max(0, self.step - max(self.pattern.delays))
        made = offset + complete - self._streamed
        if made < at_least and not (self.done and made > 0):
            return None
        before = self.codes[:, self._streamed : offset]  # given, and not even in the first window
        fresh = self.pattern.codes(self.tokens, complete)[:, max(0, self._streamed - offset) :]
        self._streamed += made
        return torch.cat([before, fresh], dim=1)

    def _keep(self) -> None:
        if self.window < 0:
            return
        _, length, known = self.windows[self.window]
        made = self.pattern.codes(self.tokens, length)
        self.codes = torch.cat([self.codes, made[:, known:]], dim=1)
