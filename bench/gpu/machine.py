"""Say what GPU this is, what it does at most, and how torch computes on it (`describe`)."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

from bench.bandwidth import BLOCK_BYTES, bandwidth_gb_s
from bench.gpu.findings import NO_GPU
from bench.gpu.steps import Check
from worker.engine.core.arithmetic import FLOAT32, arithmetic, set_arithmetic

SMALL_BLOCK_BYTES = 2**25  # on a CPU, where it says nothing
KERNELS = 600  # about as many as a step of small has


def describe(check: Check) -> None:
    """Measure what the other steps' figures are compared with, and the process's arithmetic."""
    device, findings = check.device, check.findings
    if device.is_gpu:
        found = torch.cuda.get_device_properties(0)
        findings.measured(
            f"{found.name}, compute capability {found.major}.{found.minor}, {found.multi_processor_count} processors, "
            f"{device.free_gib():.1f} of {found.total_memory / 2**30:.1f} GiB free, torch {torch.__version__}, "
            f"cuDNN {torch.backends.cudnn.version()}",
            gpu=found.name, memory_gib=found.total_memory / 2**30, torch=torch.__version__,
        )  # fmt: skip
    else:
        findings.lacks("what GPU this is", NO_GPU)
    speed = bandwidth_gb_s(device.name, BLOCK_BYTES if device.is_gpu else SMALL_BLOCK_BYTES)
    findings.measured(f"memory is read at {speed:.0f} GB/s", bandwidth_gb_s=speed)
    _arithmetic(check)
    _kernel_floor(check)


def _arithmetic(check: Check) -> None:
    set_arithmetic()
    found = arithmetic()
    exact = found == {"conv": FLOAT32, "rnn": FLOAT32, "matmul": FLOAT32, "attention": "without cudnn"}
    check.findings.compared("arithmetic", ", ".join(f"{name} {how}" for name, how in found.items()), good=exact)
    x = torch.zeros(1, 2, 16, 64, device=check.device.name)
    scaled_dot_product_attention(x, x, x)
    order = getattr(torch._C, "_get_sdp_priority_order", lambda: None)()
    check.findings.measured(f"torch's order of attentions: {order}", sdp_order=order)


def _kernel_floor(check: Check) -> None:
    """Measure how long a tiny kernel takes in a graph, each after the one before: the least that a step can take."""
    if not check.device.is_gpu:
        check.findings.lacks("a kernel's least time in a graph", NO_GPU)
        return
    x, graph, stream = torch.zeros(2, 1024, device=check.device.name), torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.cuda.stream(stream):
        x.add_(1)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(KERNELS):
                x.add_(1)
        least_us = 1000 * check.device.milliseconds(graph.replay) / KERNELS
    check.findings.measured(f"a tiny kernel in a graph takes {least_us:.2f} us", kernel_us=least_us)
