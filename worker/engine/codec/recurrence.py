"""Run an LSTM of EnCodec's decoder, for several clips at once (`Recurrence`).

It is bound by reading its weights, which clips that run together share, whatever their lengths: at each frame, those
take part that have it. By the CPU's kernels (worker/engine/native), where they are compiled, a clip's numbers are
bitwise the same alone and in company; by torch they are the same within float32 rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.engine.native.loader import Kernels
from worker.engine.native.recurrence import NativeLSTM

SMALL_BATCH = 2  # up to so many rows, torch's own is slower on a CPU than a plain loop

State = tuple[Tensor, Tensor]  # (h, c), [layers, batch, hidden] each
Memory = list[State]  # none before the first frame


@dataclass(frozen=True)
class Recurrence:
    """Run an LSTM with the state that the frames before left."""

    lstm: nn.LSTM
    skip: bool
    native: NativeLSTM | None

    @classmethod
    def of(cls, lstm: nn.LSTM, skip: bool, kernels: Kernels | None) -> Recurrence:
        """Take torch's module over, and pack its weights for the kernels where there are some."""
        return cls(lstm, skip, NativeLSTM(kernels, lstm) if kernels is not None else None)

    def begin(self) -> Memory:
        return []

    def run(self, x: Tensor, memory: Memory, last: bool) -> Tensor:
        return self.run_together([x], [memory])[0]

    def run_together(self, clips: Sequence[Tensor], memories: Sequence[Memory]) -> list[Tensor]:
        """Run the next frames of several clips, as `run` does. [batch, frames, channels], any number of frames each"""
        for clip, memory in zip(clips, memories, strict=True):
            if not memory:
                shape = (self.lstm.num_layers, clip.shape[0], self.lstm.hidden_size)
                memory.append((clip.new_zeros(shape), clip.new_zeros(shape)))
        parts: list[list[Tensor]] = [[clip[:, :0]] for clip in clips]
        begin = 0
        for end in sorted({clip.shape[1] for clip in clips} - {0}):
            here = [i for i, clip in enumerate(clips) if clip.shape[1] >= end]
            outputs = self._run_rows([clips[i][:, begin:end] for i in here], [memories[i] for i in here])
            for i, output in zip(here, outputs, strict=True):
                parts[i].append(output)
            begin = end
        joined = [torch.cat(each, dim=1) for each in parts]
        return [y + x for y, x in zip(joined, clips, strict=True)] if self.skip else joined

    def _run_rows(self, clips: Sequence[Tensor], memories: Sequence[Memory]) -> Sequence[Tensor]:
        """Run clips of one length, all their rows in one batch."""
        sizes = [clip.shape[0] for clip in clips]
        h, c = (torch.cat(states, dim=1) for states in zip(*(memory[0] for memory in memories), strict=True))
        y, (h, c) = self._run_lstm(torch.cat(list(clips)).transpose(0, 1), (h, c))
        for memory, *state in zip(memories, h.split(sizes, dim=1), c.split(sizes, dim=1), strict=True):
            memory[0] = (state[0].clone(), state[1].clone())  # a view would keep all the clips' alive
        outputs: Sequence[Tensor] = y.transpose(0, 1).split(sizes)
        return outputs

    def _run_lstm(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run the batch by what does it fastest here. [frames, rows, channels] -> [frames, rows, hidden]"""
        if self.native is not None:
            return self.native(x, state)
        if x.device.type == "cpu" and x.shape[1] <= SMALL_BATCH:
            return self._by_steps(x, state)
        y, ends = self.lstm(x, state)
        return y, ends

    def _by_steps(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        ends: list[State] = []
        for layer, (h, c) in enumerate(zip(*state, strict=True)):
            w_in, w_back, b_in, b_back = self.lstm.all_weights[layer]
            outputs = []
            for known in nn.functional.linear(x, w_in, b_in + b_back):  # [rows, 4 * channels]
                i, f, g, o = torch.addmm(known, h, w_back.t()).chunk(4, dim=1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
                outputs.append(h)
            x = torch.stack(outputs)
            ends.append((h, c))
        return x, (torch.stack([h for h, _ in ends]), torch.stack([c for _, c in ends]))
