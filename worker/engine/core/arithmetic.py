"""Set for this process how CUDA's libraries compute float32 and attention (`set_arithmetic`). A CPU reads none of it.

Torch's defaults, or what a host's environment makes of them, are other ones:

* cuDNN runs float32 LSTMs and convolutions in TF32, whose mantissas have 10 bits. The codec's LSTM feeds its rounding
  back 50 times a second: 11 to 18 dB are left on models/tiny.
* Matrices are multiplied in TF32 where TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1 is set, as in NVIDIA's own containers.
* Attention on Hopper and Blackwell goes to cuDNN first, which builds a plan for every length that it has not seen: up
  to half a second for a prefill, in which all songs wait.
"""

from __future__ import annotations

from typing import Any

import torch

FLOAT32 = "ieee"
OPERATIONS = ("conv", "rnn", "matmul")


def set_arithmetic() -> None:
    """Compute float32 in float32, and attention without cuDNN, from now on. Called before a model is on its device."""
    backends: Any = torch.backends
    backends.cuda.enable_cudnn_sdp(False)
    # the old names first: who reads these gets an error where they and the new ones disagree
    backends.cudnn.allow_tf32 = backends.cuda.matmul.allow_tf32 = False
    backends.cudnn.conv.fp32_precision = backends.cudnn.rnn.fp32_precision = FLOAT32
    backends.cuda.matmul.fp32_precision = FLOAT32


def arithmetic() -> dict[str, str]:
    """Return how the process computes now: float32 for each of the operations, and whether attention may take cuDNN."""
    found = {name: str(torch._C._get_fp32_precision_getter("cuda", name)) for name in OPERATIONS}
    return {**found, "attention": "cudnn" if torch.backends.cuda.cudnn_sdp_enabled() else "without cudnn"}
