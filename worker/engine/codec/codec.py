"""Decode codes to audio, all at once or chunk by chunk as they come (`Codec`, `CodecStream`).

The decoder of audiocraft's `EncodecModel` is laid out once as layers with streaming state (layers.py, which
layer_reader.py fills), with the weight normalisation, which audiocraft computes anew at each call, multiplied out. The
model itself is left as it is, so that its `encode` and `decode` go on. A full decode and a stream are the same
computation: joined chunks equal audiocraft's own decode within float32 rounding. What cannot be laid out so (`streams`
is False, `unstreamable_reason` says why) is decoded by the model itself, and its stream gives one chunk at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from worker.engine.codec.layer_reader import Unstreamable, read_layers
from worker.engine.codec.layers import Layer, Upsampling, flow
from worker.engine.imports.audiocraft import CompressionModel, EncodecModel, InterleaveStereoCompressionModel
from worker.engine.native.library import Kernels

MAX_ELEMENTS_ON_CPU = 1 << 19  # numbers in a layer's input, at most: 2 MiB
MAX_ELEMENTS_ELSEWHERE = 1 << 25  # 128 MiB: large enough to fill a GPU


class Codec:
    """Decode codes to audio. `Codec.prepare(model)` makes it; any thread may use it, each its own stream."""

    def __init__(
        self,
        model: CompressionModel,
        mono: CompressionModel,
        layers: tuple[Layer, ...],
        unstreamable_reason: str | None,
    ) -> None:
        self.unstreamable_reason = unstreamable_reason
        self.channels: int = model.channels
        self.codebooks: int = model.num_codebooks
        self.sample_rate_hz: int = model.sample_rate
        self.device = next(model.parameters()).device
        self._model = model
        self._mono: Any = mono
        self._layers = layers
        self._sides = 2 if model is not mono else 1  # interleaved stereo: one mono codec decodes both sides
        self._max_elements = MAX_ELEMENTS_ON_CPU if self.device.type == "cpu" else MAX_ELEMENTS_ELSEWHERE
        self._hop = math.prod(layer.stride for layer in layers if isinstance(layer, Upsampling))  # samples a frame

    @classmethod
    def prepare(cls, model: CompressionModel, kernels: Kernels | None = None) -> Codec:
        """Wrap that model, its decoder laid out for streaming if that can be done; a CPU's `kernels` run its LSTM."""
        inner, why = model, None
        layers: tuple[Layer, ...] = ()
        try:
            if isinstance(model, InterleaveStereoCompressionModel):
                if model.per_timestep:
                    raise Unstreamable("its stereo sides are interleaved in time")
                inner = model.model
            if not isinstance(inner, EncodecModel):
                raise Unstreamable(f"{type(inner).__name__} is not audiocraft's EncodecModel")
            on_cpu = next(inner.parameters()).device.type == "cpu"
            layers = read_layers(inner, kernels if on_cpu else None)
        except Unstreamable as reason:
            inner, why = model, str(reason)
        return cls(model, inner, layers, why)

    @property
    def streams(self) -> bool:
        """Tell whether audio comes while codes do; else the model's own decode makes all of it at the end."""
        return self.unstreamable_reason is None

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Decode all codes: [codebooks, frames] -> [channels, samples], or a batch of one length, [batch, ...] each.

        float32, on the codec's device. Memory beyond the result does not grow with the samples.
        """
        batch = self.checked(codes if codes.dim() == 3 else codes[None])
        if batch.shape[2] == 0:
            waveform = torch.zeros(batch.shape[0], self.channels, 0, device=self.device)
        elif self.streams:
            waveform = self._fill(batch)
        else:
            waveform = self._model.decode(batch, None).float()
        return waveform if codes.dim() == 3 else waveform[0]

    def _fill(self, batch: Tensor) -> Tensor:
        """Decode into one waveform part by part: joined at the end, the parts would take as much memory again."""
        waveform = torch.empty(batch.shape[0], self.channels, batch.shape[2] * self._hop, device=self.device)
        at = 0
        for part in self.advance(self.begin(), batch, last=True):
            waveform[..., at : at + part.shape[2]] = part
            at += part.shape[2]
        return waveform[..., :at]

    def stream(self) -> CodecStream:
        """Begin a stream, which decodes one clip chunk by chunk."""
        return CodecStream(self)

    def begin(self) -> list[Any]:
        """Return every layer's state before the first frame."""
        return [layer.begin() for layer in self._layers]

    def checked(self, codes: Tensor) -> Tensor:
        """Return the codes [batch, codebooks, frames] on the codec's device. Raises ValueError for another shape."""
        if codes.dim() != 3 or codes.shape[1] != self.codebooks:
            raise ValueError(f"codes must be [batch, {self.codebooks} codebooks, frames], not {list(codes.shape)}")
        return codes.to(self.device)

    def advance(self, memories: list[Any], codes: Tensor, last: bool) -> Iterator[Tensor]:
        """Decode the next [batch, codebooks, frames]: yield what they settle, [batch, channels, samples]."""
        batch = codes.shape[0]
        parts = codes.split(max(1, self._max_elements // (batch * self._sides * self._mono.quantizer.dimension)), dim=2)
        for part in parts:
            for samples in flow(
                self._layers, memories, self._latent(part), last and part is parts[-1], self._max_elements
            ):
                yield samples.transpose(1, 2).reshape(batch, self.channels, samples.shape[1])

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
        self._codec = codec
        self._memories = codec.begin()
        self._buffered: list[Tensor] = []  # the codes, where only all of them can be decoded
        self._frames = 0
        self._finished = False

    @torch.inference_mode()
    def push(self, codes: Tensor) -> Tensor:
        """Decode the next [codebooks, frames]: return the samples settled by now, [channels, samples]; maybe none."""
        if self._finished:
            raise RuntimeError("the stream is finished; begin another one with Codec.stream()")
        checked = self._codec.checked(codes[None])
        self._frames += checked.shape[2]
        if not self._codec.streams:
            self._buffered.append(checked[0])
        if not self._codec.streams or checked.shape[2] == 0:
            return self._silence()
        return self._settled(checked, last=False)

    @torch.inference_mode()
    def finish(self) -> Tensor:
        """End the stream: return the last samples, [channels, samples]."""
        if self._finished:
            raise RuntimeError("the stream is finished; begin another one with Codec.stream()")
        self._finished = True
        if self._frames == 0:
            return self._silence()
        if not self._codec.streams:
            return self._codec.decode(torch.cat(self._buffered, dim=1))
        nothing = torch.zeros(1, self._codec.codebooks, 0, dtype=torch.long, device=self._codec.device)
        return self._settled(nothing, last=True)

    def _settled(self, codes: Tensor, last: bool) -> Tensor:
        return torch.cat(list(self._codec.advance(self._memories, codes, last)), dim=2)[0]

    def _silence(self) -> Tensor:
        return torch.zeros(self._codec.channels, 0, device=self._codec.device)
