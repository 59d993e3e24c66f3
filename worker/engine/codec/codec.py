"""Decode codes to audio, all at once or chunk by chunk as they come (`Codec`, `CodecStream`).

The decoder of audiocraft's `EncodecModel` is laid out once as layers with streaming state (layers.py, which
layer_reader.py fills), with the weight normalisation, which audiocraft computes anew at each call, multiplied out. The
model itself is left as it is, so that its `encode` and `decode` go on. A full decode and a stream are the same
computation: joined chunks equal audiocraft's own decode within float32 rounding. What cannot be laid out so (`streams`
is False, `unstreamable_reason` says why) is decoded by the model itself, and its stream gives one chunk at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from worker.engine.codec.layer_reader import Unstreamable, read_layers
from worker.engine.codec.layers import Layer, Upsampling
from worker.engine.codec.native_chain import NativeChain, chain_of
from worker.engine.codec.recurrence import Recurrence
from worker.engine.imports.audiocraft import CompressionModel, EncodecModel, InterleaveStereoCompressionModel
from worker.engine.native.loader import Kernels

MAX_ELEMENTS_ON_CPU = 1 << 19  # numbers in a layer's input, at most: 2 MiB
FRAMES_BY_KERNELS = 64  # then others may compute; the samples do not depend on it
MAX_ELEMENTS_ELSEWHERE = 1 << 25  # 128 MiB: large enough to fill a GPU


@dataclass(frozen=True)
class Next:
    """Describe the next codes [codebooks, frames] of a clip, and the state that the ones before left."""

    memories: list[Any]
    codes: Tensor
    last: bool


class Codec:
    """Decode codes to audio. `Codec.prepare(model)` makes it; any thread may use it, each its own stream."""

    def __init__(
        self,
        model: CompressionModel,
        mono: CompressionModel,
        layers: tuple[Layer, ...],
        unstreamable_reason: str | None,
        kernels: Kernels | None,
        between: Callable[[], None],
    ) -> None:
        self.unstreamable_reason = unstreamable_reason
        self.channels: int = model.channels
        self.codebooks: int = model.num_codebooks
        self.sample_rate_hz: int = model.sample_rate
        self.device = next(model.parameters()).device
        self._between = between
        self._model = model
        self._mono: Any = mono
        self._sides = 2 if model is not mono else 1  # interleaved stereo: one mono codec decodes both sides
        at = next((i for i, layer in enumerate(layers) if isinstance(layer, Recurrence)), 0)
        lstm = layers[at] if layers else None
        self._lstm = lstm if isinstance(lstm, Recurrence) else None
        max_elements = MAX_ELEMENTS_ON_CPU if self.device.type == "cpu" else MAX_ELEMENTS_ELSEWHERE
        chains = [layers[:at], layers[at + (self._lstm is not None) :]]
        self._before, self._after = (chain_of(chain, kernels, self._sides, max_elements) for chain in chains)
        self._frames_at_once = max(1, max_elements // (self._sides * self._widest())) if layers else 1
        if isinstance(self._after, NativeChain):
            self._frames_at_once = min(self._frames_at_once, FRAMES_BY_KERNELS)
        self._hop = math.prod(layer.stride for layer in layers if isinstance(layer, Upsampling))  # samples a frame

    def _widest(self) -> int:
        """Return the most channels up to the LSTM."""
        return max(int(self._mono.quantizer.dimension), self._lstm.lstm.input_size if self._lstm else 1)

    @classmethod
    def prepare(
        cls, model: CompressionModel, kernels: Kernels | None = None, between: Callable[[], None] = lambda: None
    ) -> Codec:
        """Wrap that model, its decoder laid out for streaming if that can be done; a CPU's `kernels` run it.

        `between` is called between the parts of what takes long.
        """
        inner, why = model, None
        layers: tuple[Layer, ...] = ()
        try:
            if isinstance(model, InterleaveStereoCompressionModel):
                if model.per_timestep:
                    raise Unstreamable("its stereo sides are interleaved in time")
                inner = model.model
            if not isinstance(inner, EncodecModel):
                raise Unstreamable(f"{type(inner).__name__} is not audiocraft's EncodecModel")
            kernels = kernels if next(inner.parameters()).device.type == "cpu" else None
            layers = read_layers(inner, kernels)
        except Unstreamable as reason:
            inner, why = model, str(reason)
        return cls(model, inner, layers, why, kernels, between)

    @property
    def streams(self) -> bool:
        """Tell whether audio comes while codes do; else the model's own decode makes all of it at the end."""
        return self.unstreamable_reason is None

    def decode(self, codes: Tensor) -> Tensor:
        """Decode all codes: [codebooks, frames] -> [channels, samples], or a batch of one length, [batch, ...] each.

        float32, on the codec's device. Memory beyond the result does not grow with the samples.
        """
        return self.decode_all([codes])[0] if codes.dim() != 3 else torch.stack(self.decode_all(list(codes)))

    @torch.inference_mode()
    def decode_all(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """Decode all codes of several clips of any lengths. [codebooks, frames] each -> [channels, samples] each"""
        checked = [self.checked(codes) for codes in clips]
        if not self.streams:
            return [self._by_model(codes) for codes in checked]
        # Joined at the end, the parts would take as much memory again as the waveform.
        waveforms = [torch.empty(self.channels, codes.shape[1] * self._hop, device=self.device) for codes in checked]
        filled = [0] * len(clips)
        some = [i for i, codes in enumerate(checked) if codes.shape[1]]
        for which, samples in self.advance([Next(self.begin(), checked[i], True) for i in some]):
            at, clip = filled[some[which]], some[which]
            waveforms[clip][:, at : at + samples.shape[1]] = samples
            filled[clip] += samples.shape[1]
        return [waveform[:, :end] for waveform, end in zip(waveforms, filled, strict=True)]

    def _by_model(self, codes: Tensor) -> Tensor:
        """Decode by the model itself. [codebooks, frames] -> [channels, samples]"""
        if codes.shape[1] == 0:
            return torch.zeros(self.channels, 0, device=self.device)
        waveform: Tensor = self._model.decode(codes[None], None)[0].float()
        return waveform

    def stream(self) -> CodecStream:
        """Begin a stream, which decodes one clip chunk by chunk."""
        return CodecStream(self)

    def begin(self) -> list[Any]:
        """Return the state before the first frame: of what is before the LSTM, of it, and of what is after it."""
        return [self._before.begin(), [], self._after.begin()]

    def checked(self, codes: Tensor) -> Tensor:
        """Return the codes [codebooks, frames] on the codec's device. Raises ValueError for another shape."""
        if codes.dim() != 2 or codes.shape[0] != self.codebooks:
            raise ValueError(f"codes must be [{self.codebooks} codebooks, frames], not {list(codes.shape)}")
        return codes.to(self.device)

    def advance(self, clips: Sequence[Next]) -> Iterator[tuple[int, Tensor]]:
        """Decode the next codes of several clips: yield which clip, and samples of it in order, [channels, samples].

        Each runs its convolutions alone, in parts that do not depend on the others; the LSTM runs all clips at once.
        """
        parts = [clip.codes.split(self._frames_at_once, dim=1) for clip in clips]
        for number in range(max(map(len, parts), default=0)):
            here = [i for i, mine in enumerate(parts) if number < len(mine)]
            ends = {i: clips[i].last and number == len(parts[i]) - 1 for i in here}
            inner = [self._inner(clips[i].memories, parts[i][number], ends[i]) for i in here]
            if self._lstm is not None:
                inner = self._lstm.run_together(inner, [clips[i].memories[1] for i in here])
            for i, x in zip(here, inner, strict=True):
                for samples in self._after.run(x, clips[i].memories[2], ends[i]):
                    yield i, samples.transpose(1, 2).reshape(self.channels, samples.shape[1])
                    self._between()

    def _inner(self, memories: list[Any], codes: Tensor, last: bool) -> Tensor:
        """Run what is before the LSTM. [codebooks, frames] -> [sides, frames, channels]"""
        return torch.cat(list(self._before.run(self._latent(codes[None]), memories[0], last)), dim=1)

    def _latent(self, codes: Tensor) -> Tensor:
        """Look up the codes' vectors. [batch, codebooks, frames] -> [batch * sides, frames, channels]"""
        batch, codebooks, frames = codes.shape
        sides, each = self._sides, codebooks // self._sides
        # Interleaved stereo counts codebook by codebook, left before right. The sides become batch rows of their own.
        mono = codes.reshape(batch, each, sides, frames).transpose(1, 2).reshape(batch * sides, each, frames)
        latent: Tensor = self._mono.decode_latent(mono)  # [batch * sides, channels, frames]
        return latent.transpose(1, 2)


class CodecStream:
    """Decode one clip as its codes come. Joined, the chunks are what `Codec.decode` gives for all the codes."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.memories = codec.begin()
        self.frames = 0
        self.finished = False
        self._buffered: list[Tensor] = []  # the codes, where only all of them can be decoded

    def push(self, codes: Tensor) -> Tensor:
        """Decode the next [codebooks, frames]: return the samples settled by now, [channels, samples]; maybe none."""
        return push_all([(self, codes)])[0]

    def finish(self) -> Tensor:
        """End the stream: return the last samples, [channels, samples]."""
        return push_all([(self, None)])[0]

    def due(self, codes: Tensor | None) -> Next:
        """Return what to decode next, over a copy of the state. Raises RuntimeError when finished, ValueError."""
        if self.finished:
            raise RuntimeError("the stream is finished; begin another one with Codec.stream()")
        nothing = torch.zeros(self.codec.codebooks, 0, dtype=torch.long)
        return Next(deepcopy(self.memories), self.codec.checked(nothing if codes is None else codes), codes is None)

    def accept(self, done: Next) -> None:
        """Go on from what was decoded."""
        self.memories, self.finished = done.memories, done.last
        self.frames += done.codes.shape[1]
        if not self.codec.streams:
            self._buffered.append(done.codes)

    def all_at_once(self, due: Next) -> Tensor:
        """Decode all codes at the end, where nothing can be decoded before. -> [channels, samples]"""
        codes = torch.cat([*self._buffered, due.codes], dim=1)
        return self.codec.decode(codes if due.last else codes[:, :0])


@torch.inference_mode()
def push_all(due: Sequence[tuple[CodecStream, Tensor | None]]) -> list[Tensor]:
    """Push the next codes of several streams of one codec, or end those with None: return each one's samples.

    What raises leaves all of the streams as they were.
    """
    codec, clips = due[0][0].codec, [stream.due(codes) for stream, codes in due]
    streams = [stream for stream, _ in due]
    if codec.streams:
        chunks = [[torch.zeros(codec.channels, 0, device=codec.device)] for _ in due]
        some = [i for i, clip in enumerate(clips) if clip.codes.shape[1] or (clip.last and streams[i].frames)]
        for which, samples in codec.advance([clips[i] for i in some]):
            chunks[some[which]].append(samples)
        joined = [torch.cat(each, dim=1) for each in chunks]
    else:
        joined = [stream.all_at_once(clip) for stream, clip in zip(streams, clips, strict=True)]
    for stream, clip in zip(streams, clips, strict=True):
        stream.accept(clip)
    return joined
