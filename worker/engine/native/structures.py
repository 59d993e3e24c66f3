"""Lay out what the kernels read, as step.h does: the same names in the same order."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int32, c_int64, c_void_p

from worker.engine.core.types import Precision

KINDS: dict[Precision, int] = {"fp32": 0, "bf16": 1, "int8": 2}
INPUTS_IN_A_WORD: dict[Precision, int] = {"fp32": 1, "bf16": 2, "int8": 4}


class Matrix(ctypes.Structure):
    """Describe a packed weight [outputs, inputs]."""

    _fields_ = (
        ("weights", c_void_p),
        ("scales", c_void_p),
        ("sums", c_void_p),
        ("bias", c_void_p),
        ("outputs", c_int32),
        ("inputs", c_int32),
        ("kind", c_int32),
    )


class NormWeights(ctypes.Structure):
    """Describe a layer norm."""

    _fields_ = (("weight", c_void_p), ("bias", c_void_p), ("eps", c_float))


class LayerWeights(ctypes.Structure):
    """Describe a layer: its weights, and where its keys and values lie."""

    _fields_ = (
        ("norm_attention", NormWeights),
        ("norm_cross", NormWeights),
        ("norm_feed", NormWeights),
        ("qkv", Matrix),
        ("out", Matrix),
        ("cross_queries", Matrix),
        ("cross_out", Matrix),
        ("widen", Matrix),
        ("narrow", Matrix),
        ("keys", c_void_p),
        ("values", c_void_p),
        ("key_scales", c_void_p),
        ("value_scales", c_void_p),
    )


class Model(ctypes.Structure):
    """Describe a language model."""

    _fields_ = (
        ("layers", c_int32),
        ("dim", c_int32),
        ("heads", c_int32),
        ("head_dim", c_int32),
        ("padded_dim", c_int32),
        ("widened", c_int32),
        ("kv_kind", c_int32),
        ("layer", POINTER(LayerWeights)),
        ("norm_out", NormWeights),
        ("logits", Matrix),
    )


class Span(ctypes.Structure):
    """Describe the positions that a row attends to."""

    _fields_ = (("pages", c_void_p), ("length", c_int32), ("row", c_int32))


class Step(ctypes.Structure):
    """Describe a decode step: the rows, what they attend to, and room to work in."""

    _fields_ = (
        ("model", POINTER(Model)),
        ("rows", c_int32),
        ("cross_rows", c_int32),
        ("byte_inputs", c_int32),
        ("own", POINTER(Span)),
        ("text", POINTER(Span)),
        ("x", c_void_p),
        ("normed", c_void_p),
        ("qkv", c_void_p),
        ("seen", c_void_p),
        ("hidden", c_void_p),
        ("logits", c_void_p),
        ("bytes", c_void_p),
        ("byte_scales", c_void_p),
        ("scores", c_void_p),
        ("score_capacity", c_int32),
        ("threads", c_int32),
    )


class Product(ctypes.Structure):
    """Describe one product of rows with a matrix."""

    _fields_ = (
        ("matrix", POINTER(Matrix)),
        ("x", c_void_p),
        ("y", c_void_p),
        ("bytes", c_void_p),
        ("byte_scales", c_void_p),
        ("rows", c_int32),
        ("byte_inputs", c_int32),
        ("threads", c_int32),
    )


class Recurrence(ctypes.Structure):
    """Describe frames of one layer of an LSTM."""

    _fields_ = (
        ("back", POINTER(Matrix)),
        ("known", c_void_p),
        ("h", c_void_p),
        ("c", c_void_p),
        ("rows", c_int32),
        ("frames", c_int32),
        ("threads", c_int32),
    )


class Copy(ctypes.Structure):
    """Describe rows to be copied, or zeros."""

    _fields_ = (
        ("to", c_void_p),
        ("from", c_void_p),
        ("rows", c_int32),
        ("count", c_int32),
        ("to_pitch", c_int32),
        ("from_pitch", c_int32),
    )


class Convolution(ctypes.Structure):
    """Describe one layer of the codec's decoder, and what is copied before."""

    _fields_ = (
        ("copies", POINTER(Copy)),
        ("weights", c_void_p),
        ("bias", c_void_p),
        ("x", c_void_p),
        ("more", c_void_p),
        ("y", c_void_p),
        ("activated", c_void_p),
        ("alpha", c_float),
        ("copied", c_int32),
        ("repeated", c_int32),
        ("runs", c_int32),
        ("run", c_int32),
        ("apart", c_int32),
        ("stride", c_int32),
        ("outputs", c_int32),
        ("rows", c_int32),
    )


class KernelTable(ctypes.Structure):
    """Describe the kernels of one kind of CPU."""

    _fields_ = (
        ("name", c_char_p),
        ("group", c_int32),
        ("byte_inputs", c_int32),
        ("packed_bytes", ctypes.CFUNCTYPE(c_int64, c_int32, c_int32, c_int32)),
        ("pack", ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_int32, c_int32, c_void_p, c_void_p, c_void_p)),
        ("product", ctypes.CFUNCTYPE(None, c_void_p, POINTER(Product))),
        ("step", ctypes.CFUNCTYPE(None, c_void_p, POINTER(Step))),
        ("fill", ctypes.CFUNCTYPE(None, POINTER(Model), c_int32, c_void_p, c_int32, c_int32, c_void_p)),
        ("recur", ctypes.CFUNCTYPE(None, c_void_p, POINTER(Recurrence))),
        ("convolve", ctypes.CFUNCTYPE(None, c_void_p, POINTER(Convolution), c_int32)),
    )
