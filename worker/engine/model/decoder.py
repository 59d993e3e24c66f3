"""Run MusicGen's transformer as plain functions of rows, on packed weights read from audiocraft's module.

Rows are float32 from embedding to logits, and so are norms: in a half precision only products and attention are in it.

Owns the arithmetic of a layer; caches and sampling are elsewhere, and attention is given in as a function. Follows
audiocraft's StreamingTransformer (pre-norm, sinusoidal positions, GELU) to rounding; anything else that a checkpoint
may ask for is refused at load, and such a checkpoint runs on the reference engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import embedding, gelu, layer_norm

from shared.errors import ConfigurationError
from worker.engine.core.types import Precision
from worker.engine.model.linear import PackedLinear, Packer, activations
from worker.engine.native.linear import has_layout
from worker.engine.native.loader import Kernels

Attend = Callable[[int, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Norm:
    """Normalise float32 rows by their mean and variance, for products in `dtype`. Weight and bias are float32."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    eps: float
    dtype: torch.dtype

    @classmethod
    def of(cls, module: Any, dtype: torch.dtype) -> Norm:
        bias = None if module.bias is None else module.bias.detach().float()
        return cls(module.weight.detach().float(), bias, module.eps, dtype)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps).to(self.dtype)


@dataclass(frozen=True)
class CrossAttention:
    """Hold one layer's cross-attention to the text."""

    norm: Norm
    queries: PackedLinear
    keys: PackedLinear
    values: PackedLinear
    out: PackedLinear


@dataclass(frozen=True)
class Layer:
    """Hold one transformer layer's packed weights."""

    norm_attention: Norm
    qkv: PackedLinear
    out: PackedLinear
    cross: CrossAttention | None
    norm_feed: Norm
    widen: PackedLinear
    narrow: PackedLinear


class Decoder:
    """Hold one language model's packed weights, and map rows of tokens to logits. Rows may be in any order.

    With `consume` the module's own weights go, layer by layer, as they are packed: only their shapes stay.
    """

    def __init__(self, lm: Any, precision: Precision, kernels: Kernels | None = None, *, consume: bool = False) -> None:
        refuse_unsupported(lm)
        transformer = lm.transformer
        self.dim: int = lm.dim
        self.heads: int = transformer.layers[0].self_attn.num_heads
        self.head_dim = self.dim // self.heads
        self.card: int = lm.card
        self.codebooks: int = lm.num_codebooks
        self.precision = precision
        self.device = next(lm.parameters()).device
        native = self.device.type == "cpu" and has_layout(
            precision, self.dim, transformer.layers[0].linear1.out_features
        )
        self.kernels = kernels if native else None  # that all weights are packed for; None: torch multiplies
        self.dtype = activations(precision, self.kernels)
        pack = Packer(precision, self.kernels)
        self._scale: float = transformer.positional_scale
        index = torch.arange(self.dim // 2, device=self.device, dtype=torch.float32)
        self._periods = transformer.max_period ** (index / (self.dim // 2 - 1))  # [dim / 2]
        self._embeddings = torch.stack([e.weight.detach() for e in lm.emb]).float()  # [codebooks, card+1, dim]
        self.layers: list[Layer] = []
        for layer in transformer.layers:
            self.layers.append(_layer(layer, pack, self.dtype))
            if consume:
                layer.to("meta")
        self.norm_out = Norm.of(lm.out_norm, self.dtype) if lm.out_norm is not None else None
        heads = torch.cat([linear.weight.detach() for linear in lm.linears])
        biases = [linear.bias for linear in lm.linears]
        bias = None if biases[0] is None else torch.cat([b.detach() for b in biases])
        self.to_logits = pack(heads, bias)
        if consume:
            lm.emb.to("meta")
            lm.linears.to("meta")

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Add up the codebooks' embeddings. tokens [rows, codebooks] int64 -> [rows, dim] float32"""
        x = embedding(tokens[:, 0], self._embeddings[0])
        for codebook in range(1, self.codebooks):
            x = x + embedding(tokens[:, codebook], self._embeddings[codebook])
        return x

    def positions(self, positions: torch.Tensor) -> torch.Tensor:
        """Return the sinusoidal position embeddings: cosines, then sines. [rows] -> [rows, dim] float32"""
        phase = positions.to(torch.float32)[:, None] / self._periods
        return self._scale * torch.cat([phase.cos(), phase.sin()], dim=-1)

    def layers_forward(
        self, x: torch.Tensor, attend: Attend, cross: Attend | None, cross_rows: slice | None
    ) -> torch.Tensor:
        """Run all layers on x [rows, dim] float32; `attend` maps a layer's qkv [rows, 3, heads, head_dim] to such.

        `cross_rows` cross-attend to the text; the null rows' cross-attention is zero, as nothing has a bias.
        """
        for number, layer in enumerate(self.layers):
            qkv = layer.qkv(layer.norm_attention(x)).view(len(x), 3, self.heads, self.head_dim)
            x = x + layer.out(attend(number, qkv))
            if layer.cross is not None and cross is not None and cross_rows is not None:
                self._cross_attend(x[cross_rows], number, layer.cross, cross)
            x = x + layer.narrow(gelu(layer.widen(layer.norm_feed(x))))
        return x

    def _cross_attend(self, x: torch.Tensor, number: int, cross: CrossAttention, attend: Attend) -> None:
        """Add cross-attention to the rows of x in place: they are the layer's own, no one else reads them."""
        queries = cross.queries(cross.norm(x)).view(len(x), self.heads, self.head_dim)
        x += cross.out(attend(number, queries))

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of every codebook. [rows, dim] -> [rows, codebooks, card] float32"""
        x = x.to(self.dtype) if self.norm_out is None else self.norm_out(x)
        return self.to_logits(x).float().view(len(x), self.codebooks, self.card)

    def cross_keys_values(self, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Project the text. [source, dim] -> cross-attention's keys and values [layers, 1, heads, source, head_dim]"""
        source = source.to(self.dtype)

        def split(flat: torch.Tensor) -> torch.Tensor:
            return flat.view(len(source), self.heads, self.head_dim).transpose(0, 1)[None]

        crosses = [layer.cross for layer in self.layers if layer.cross is not None]
        keys = torch.stack([split(cross.keys(source)) for cross in crosses])
        values = torch.stack([split(cross.values(source)) for cross in crosses])
        return keys, values


def _layer(layer: Any, pack: Packer, dtype: torch.dtype) -> Layer:
    attention = layer.self_attn
    return Layer(
        norm_attention=Norm.of(layer.norm1, dtype),
        qkv=pack(attention.in_proj_weight, attention.in_proj_bias),
        out=pack(attention.out_proj.weight, attention.out_proj.bias),
        cross=_cross(layer, pack, dtype) if layer.cross_attention is not None else None,
        norm_feed=Norm.of(layer.norm2, dtype),
        widen=pack(layer.linear1.weight, layer.linear1.bias),
        narrow=pack(layer.linear2.weight, layer.linear2.bias),
    )


def _cross(layer: Any, pack: Packer, dtype: torch.dtype) -> CrossAttention:
    attention = layer.cross_attention
    queries, keys, values = attention.in_proj_weight.chunk(3)
    return CrossAttention(
        norm=Norm.of(layer.norm_cross, dtype),
        queries=pack(queries, None),
        keys=pack(keys, None),
        values=pack(values, None),
        out=pack(attention.out_proj.weight, None),
    )


def refuse_unsupported(lm: Any) -> None:
    """Raise ConfigurationError naming what this decoder does not do, so that nothing is silently left out."""
    transformer, first = lm.transformer, lm.transformer.layers[0]
    cross, attention = first.cross_attention, first.self_attn
    unsupported = {
        "positional_embedding other than sin": transformer.positional_embedding != "sin",
        "norm_first false": not first.norm_first,
        "qk_layer_norm": attention.qk_layer_norm or (cross is not None and cross.qk_layer_norm),
        "kv_repeat": attention.kv_repeat != 1,
        "past_context": attention.past_context is not None,
        "layer_scale": not isinstance(first.layer_scale_1, torch.nn.Identity),
        "attention without custom or memory_efficient": not attention.custom,
        "biases in cross-attention": cross is not None and cross.in_proj_bias is not None,
        "an activation other than gelu": first.activation is not torch.nn.functional.gelu,
        "conditions that are summed or interpolated": any(lm.fuser.fuse2cond[k] for k in ("sum", "input_interpolate")),
        "a codebook pattern other than delay": type(lm.pattern_provider).__name__ != "DelayedPatternProvider",
    }
    if found := [name for name, present in unsupported.items() if present]:
        raise ConfigurationError(
            f"this engine does not run a checkpoint with {', '.join(found)}; set ENGINE=audiocraft for it"
        )
