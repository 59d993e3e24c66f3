"""Starting scales for encoder and decoder: every convolution begins with outputs of unit variance on real input.

PyTorch's default start shrinks the signal layer by layer: at the end it is a hundredth of what it was, and so are the
gradients. (Seen: an end-to-end codec whose decoder ignored its input and whose codebooks fell onto one entry.)
"""

import torch
from torch import nn


def scale_output(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
    """Forward hook: make this layer's output have unit variance, by its weight norm's gain, and no bias."""
    deviation = output.std().clamp(min=1e-5)
    module.weight_g.data /= deviation
    if module.bias is not None:
        output = output - module.bias.view(1, -1, 1)
        module.bias.data.zero_()
    return output / deviation


@torch.no_grad()
def start_at_unit_scale(network: nn.Module, example: torch.Tensor, output_scale: float = 1.0) -> None:
    """One pass through encoder or decoder, layer by layer; the last layer gets the scale of what it is to give."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.ConvTranspose1d) and hasattr(m, "weight_g")]
    hooks = [layer.register_forward_hook(scale_output) for layer in layers]
    network(example)
    for hook in hooks:
        hook.remove()
    [layer for layer in layers if isinstance(layer, nn.Conv1d)][-1].weight_g.data *= output_scale
