"""Describe a decoder to the kernels: its packed weights, norms and cache (`described`)."""

from __future__ import annotations

import ctypes

from worker.engine.model.decoder import Decoder, Norm
from worker.engine.native.linear import NativeLinear
from worker.engine.native.loader import Kernels
from worker.engine.native.structures import KINDS, LayerWeights, Matrix, Model, NormWeights
from worker.engine.runners.native_kv_cache import NativeKvCache


def kernels_of(decoder: Decoder) -> Kernels | None:
    """Return the kernels that all of a decoder's weights are packed for; None when torch multiplies some."""
    layers = decoder.layers
    linears = [decoder.to_logits, *(linear for layer in layers for linear in (layer.qkv, layer.out))]
    linears += [linear for layer in layers for linear in (layer.widen, layer.narrow)]
    linears += [linear for layer in layers if layer.cross for linear in (layer.cross.queries, layer.cross.out)]
    found = {linear.kernels if isinstance(linear, NativeLinear) else None for linear in linears}
    return found.pop() if len(found) == 1 else None


def described(decoder: Decoder, cache: NativeKvCache) -> Model:
    """Describe a decoder whose weights are all packed for the kernels. The decoder and the cache must outlive it."""
    weights = (LayerWeights * len(decoder.layers))()
    for number, (layer, found) in enumerate(zip(decoder.layers, weights, strict=True)):
        found.norm_attention, found.norm_feed = _norm(layer.norm_attention), _norm(layer.norm_feed)
        found.qkv, found.out = _matrix(layer.qkv), _matrix(layer.out)
        found.widen, found.narrow = _matrix(layer.widen), _matrix(layer.narrow)
        if layer.cross is not None:
            found.norm_cross = _norm(layer.cross.norm)
            found.cross_queries, found.cross_out = _matrix(layer.cross.queries), _matrix(layer.cross.out)
        cache.describe_cache(number, found)
    return Model(
        layers=len(weights),
        dim=decoder.dim,
        heads=decoder.heads,
        head_dim=decoder.head_dim,
        padded_dim=cache.padded_dim,
        widened=weights[0].widen.outputs,
        kv_kind=KINDS[cache.precision],
        layer=ctypes.cast(weights, ctypes.POINTER(LayerWeights)),
        norm_out=NormWeights() if decoder.norm_out is None else _norm(decoder.norm_out),
        logits=_matrix(decoder.to_logits),
    )


def _norm(norm: Norm) -> NormWeights:
    return NormWeights(norm.weight.data_ptr(), None if norm.bias is None else norm.bias.data_ptr(), norm.eps)


def _matrix(linear: object) -> Matrix:
    assert isinstance(linear, NativeLinear)
    return linear.matrix
