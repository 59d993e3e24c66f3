"""Find out which of the named precisions run on a device.

    fp32   everything in float32
    bf16   weights and activations in bfloat16; logits and sampling in float32
    fp16   the same in float16, which is what audiocraft does on a GPU
    int8   weights in 8 bits, activations in 7 with a scale per row; the rest in float32

The KV cache's precision is the runner's choice, and `EngineInfo.kv_precision` says it. What runs is found by trying:
torch has some of these on some processors only. What is fast is another matter: bf16 and fp16 are for devices that have
them in hardware, and `auto` takes neither on a CPU.
"""

from __future__ import annotations

import torch
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from worker.engine.core.types import Precision
from worker.engine.model.linear import DTYPES, pack

NAMES: dict[torch.dtype, Precision] = {DTYPES[name]: name for name in ("fp32", "bf16", "fp16")}


def available(device: str) -> tuple[Precision, ...]:
    """List the precisions that run there, the default first: float32 on a CPU, elsewhere the checkpoints' float16."""
    on_cpu = device == "cpu"
    wanted: tuple[Precision, ...] = ("fp32", "int8", "bf16", "fp16") if on_cpu else ("fp16", "bf16", "fp32")
    return tuple(precision for precision in wanted if runs(precision, device))


def runs(precision: Precision, device: str) -> bool:
    """Tell whether torch has there what a decoder's layer needs; on a GPU, whether it has it in hardware."""
    if precision == "bf16" and device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        x = torch.ones(4, 16, dtype=DTYPES[precision], device=device)  # [rows, dim]
        y = pack(torch.ones(16, 16, device=device), None, precision)(gelu(layer_norm(x, (16,))))
        heads = y.view(1, 2, 4, 8)  # [rows, heads, positions, head_dim]
        scaled_dot_product_attention(heads, heads, heads)
    except (RuntimeError, ValueError):
        return False
    return True
