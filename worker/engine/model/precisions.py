"""Find out which of the named precisions run on a device, and which is usual there.

    fp32   everything in float32
    bf16   weights in bfloat16, and what is multiplied with them too where torch does it
    fp16   weights in float16, as audiocraft's on a GPU, and what is multiplied with them
    int8   weights in 8 bits, a scale per output; the rest in float32. Activations of more than a few rows are in 8 bits
           for a product, a scale per row (7 bits by torch), where the CPU multiplies bytes

Embeddings, the rows between products, norms, logits and sampling are float32 in all of them. The KV cache's precision
is the runner's choice, and `EngineInfo.kv_precision` says it. What runs is found by trying: torch has some of these on
some processors only. What is fast is another matter: bf16 and fp16 are for devices that have them in hardware, and
`auto` takes neither on a CPU.
"""

from __future__ import annotations

import torch
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from worker.engine.core.arithmetic import set_arithmetic
from worker.engine.core.types import Precision
from worker.engine.model.linear import DTYPES, pack
from worker.engine.native.loader import all_kernels
from worker.engine.native.structures import KINDS

NAMES: dict[torch.dtype, Precision] = {DTYPES[name]: name for name in ("fp32", "bf16", "fp16")}


LARGE = 100_000_000  # parameters of a language model whose steps on a CPU are bound by reading them


def usual(device: str, parameters: int, kernels: bool) -> Precision:
    """Return the precision of a model of so many parameters where nobody names one; `kernels`: are those in C there?"""
    if device == "cpu" and kernels and parameters > LARGE:
        return "int8"
    return available(device)[0]


def weights_dtype(precision: Precision | None, device: str) -> torch.dtype:
    """Return what weights are loaded in: never rounded to float16 for another precision. `usual` is None's."""
    if device == "cpu":
        return torch.float32  # which the packed ones are rounded from
    return DTYPES[precision or available(device)[0]]


def available(device: str) -> tuple[Precision, ...]:
    """List the precisions that run there, the default first: float32 on a CPU, elsewhere the checkpoints' float16."""
    on_cpu = device == "cpu"
    wanted: tuple[Precision, ...] = ("fp32", "int8", "bf16", "fp16") if on_cpu else ("fp16", "bf16", "fp32")
    return tuple(precision for precision in wanted if runs(precision, device))


def runs(precision: Precision, device: str) -> bool:
    """Tell whether the kernels in C, or torch, have there what a decoder's layer needs; on a GPU, in hardware."""
    if device == "cpu" and precision in KINDS and all_kernels():
        return True
    if precision == "bf16" and device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    set_arithmetic()
    try:
        x = torch.ones(4, 16, dtype=DTYPES[precision], device=device)  # [rows, dim]
        y = pack(torch.ones(16, 16, device=device), None, precision)(gelu(layer_norm(x, (16,))))
        heads = y.view(1, 2, 4, 8)  # [rows, heads, positions, head_dim]
        scaled_dot_product_attention(heads, heads, heads)
    except (RuntimeError, ValueError):
        return False
    return True
