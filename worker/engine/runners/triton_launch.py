"""Compile and launch Triton's kernels (imports triton).

Triton's own launcher is a C extension, which it compiles on the host. Where there is no compiler, as in our images, a
kernel is compiled to machine code by what Triton brings, and launched by CUDA's driver (`DriverLauncher`).
"""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from worker.engine.runners.step_attention import KernelsUnsupported

WARPS = 4
WARP_SIZE = 32
ALIGNED = 16  # bytes; also what a stride must be a multiple of
TYPES = {torch.int64: "i64", torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
PTX_TYPES = {"fp32": "f32", "i32": "u32"}  # all others are pointers
SCRATCH = 2  # pointers that Triton passes after a kernel's own arguments; ours need no scratch memory


class Launch(Protocol):
    """Launch a kernel with a grid of programs and its arguments, in order."""

    def __call__(self, kernel: Any, grid: tuple[int, ...], *arguments: Any) -> None: ...


def launch_by_triton(kernel: Any, grid: tuple[int, ...], *arguments: Any) -> None:
    """Launch by Triton, or by its interpreter where that was asked for."""
    kernel[grid](*arguments, num_warps=WARPS)


def has_compiler() -> bool:
    """Tell whether Triton can compile its launcher here."""
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return bool(shutil.which("gcc") or shutil.which("clang")) and headers.exists()


@functools.cache
def launch_on(device: torch.device) -> Launch:
    """Return what launches there."""
    if device.type != "cuda" or has_compiler():
        return launch_by_triton
    major, minor = torch.cuda.get_device_capability(device)
    return DriverLauncher(
        10 * major + minor, ctypes.CDLL("libcuda.so.1"), lambda: torch.cuda.current_stream(device).cuda_stream
    )


def types_of(kernel: Any, arguments: tuple[Any, ...]) -> tuple[tuple[str, int], ...]:
    """Return each argument's type as Triton names it, and 1 where it is aligned, or a constant's value."""
    found: list[tuple[str, int]] = []
    for parameter, value in zip(kernel.params, arguments, strict=True):
        if isinstance(value, torch.Tensor):
            found.append((f"*{TYPES[value.dtype]}", int(value.data_ptr() % ALIGNED == 0)))
        elif parameter.is_constexpr:
            found.append(("constexpr", value))
        else:
            found.append(("fp32", 0) if isinstance(value, float) else ("i32", int(value % ALIGNED == 0)))
    return tuple(found)


def compiled(kernel: Any, types: tuple[tuple[str, int], ...], capability: int) -> Any:
    """Compile a kernel for GPUs of that compute capability (90: 9.0). No GPU is needed.

    Raises KernelsUnsupported where its arguments are not passed as `DriverLauncher` passes them.
    """
    named = dict(zip(kernel.arg_names, types, strict=True))
    constants = {name: value for name, (kind, value) in named.items() if kind == "constexpr"}
    aligned = [i for i, (kind, value) in enumerate(types) if kind != "constexpr" and value]
    source = ASTSource(
        kernel,
        {name: kind for name, (kind, _) in named.items()},
        constants,
        attrs={(i,): [["tt.divisibility", ALIGNED]] for i in aligned},
    )
    made = compile(source, GPUTarget("cuda", capability, WARP_SIZE), {"num_warps": WARPS})
    passed = [PTX_TYPES.get(kind, "u64") for kind, _ in types if kind != "constexpr"] + SCRATCH * ["u64"]
    taken = re.findall(r"\.param \.(\w+)", made.asm["ptx"].partition(".entry")[2].partition("{")[0])
    scratch = made.metadata.global_scratch_size + made.metadata.profile_scratch_size
    if taken != passed or scratch or made.metadata.num_ctas != 1:
        raise KernelsUnsupported(f"this Triton passes arguments in another way: {taken}, not {passed}")
    return made


class DriverLauncher:
    """Launch kernels by CUDA's driver on the current stream; each is compiled and loaded once. One thread's alone."""

    def __init__(self, capability: int, driver: Any, stream: Callable[[], int]) -> None:
        self._capability, self._driver, self._stream = capability, driver, stream
        self._loaded: dict[tuple[Any, ...], tuple[ctypes.c_void_p, int]] = {}  # functions, their shared memory

    def __call__(self, kernel: Any, grid: tuple[int, ...], *arguments: Any) -> None:
        types = types_of(kernel, arguments)
        function, shared = self._function(kernel, types)
        values = [
            _as_c(kind, value) for (kind, _), value in zip(types, arguments, strict=True) if kind != "constexpr"
        ] + [ctypes.c_uint64(0)] * SCRATCH
        addresses = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        sizes = [ctypes.c_uint(size) for size in (*grid, *(1,) * (3 - len(grid)), WARPS * WARP_SIZE, 1, 1, shared)]
        stream = ctypes.c_void_p(self._stream())
        self._do("cuLaunchKernel", function, *sizes, stream, addresses, None)

    def _function(self, kernel: Any, types: tuple[tuple[str, int], ...]) -> tuple[ctypes.c_void_p, int]:
        key = (kernel.__name__, types)
        if key not in self._loaded:
            made = compiled(kernel, types, self._capability)
            module, function = ctypes.c_void_p(), ctypes.c_void_p()
            self._do("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(made.asm["cubin"]))
            self._do("cuModuleGetFunction", ctypes.byref(function), module, made.metadata.name.encode())
            self._loaded[key] = function, made.metadata.shared
        return self._loaded[key]

    def _do(self, name: str, *arguments: Any) -> None:
        """Call the driver. Raises RuntimeError with its error's number."""
        if code := getattr(self._driver, name)(*arguments):
            raise RuntimeError(f"CUDA's driver refuses {name}: error {code}")


def _as_c(kind: str, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return ctypes.c_uint64(value.data_ptr())
    return ctypes.c_float(value) if kind == "fp32" else ctypes.c_int32(value)
