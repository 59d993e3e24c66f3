"""The GPU's kernels, compiled to machine code without a GPU, and how CUDA's driver is asked to launch them."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("triton"),
    pytest.mark.skipif(sys.platform != "linux", reason="Triton is for Linux"),
]
CONTEXT, TEXT = 1504, 512
Launched = list[tuple[Any, tuple[int, ...], tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


def launches(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, heads: int, head_dim: int) -> Launched:
    """Record what a step of two rows launches: kernel, grid and arguments."""
    from worker.engine.runners import row_attention

    launched: Launched = []
    monkeypatch.setattr(
        row_attention, "launch_on", lambda device: lambda kernel, grid, *rest: launched.append((kernel, grid, rest))
    )
    attention = row_attention.RowAttention(torch.tensor([3, 700]), torch.tensor([4, 9]), CONTEXT, TEXT, dtype)
    qkv = torch.zeros(2, 3, heads, head_dim, dtype=dtype)
    attention.attend(torch.zeros(2, 2, heads, CONTEXT, head_dim, dtype=dtype), qkv)
    attention.cross_attend(torch.zeros(2, 2, heads, TEXT, head_dim, dtype=dtype), qkv[:, 0].contiguous())
    assert len(launched) == 3
    return launched


@pytest.mark.parametrize(
    ("capability", "dtype", "heads", "head_dim"),
    [
        (75, torch.float16, 16, 64),
        (90, torch.bfloat16, 32, 64),
        (90, torch.float16, 4, 16),
        (120, torch.float32, 24, 64),
    ],
)
def test_the_kernels_compile_for_gpus_from_compute_capability_7_5_on(
    monkeypatch: pytest.MonkeyPatch, capability: int, dtype: torch.dtype, heads: int, head_dim: int
) -> None:
    """With the very constants that are launched; their arguments are passed as ours are, which `compiled` checks."""
    from worker.engine.runners.triton_launch import compiled, types_of

    for kernel, grid, arguments in launches(monkeypatch, dtype, heads, head_dim):
        made = compiled(kernel, types_of(kernel, arguments), capability)
        assert made.asm["cubin"].startswith(b"\x7fELF")
        assert "ld.local" not in made.asm["ptx"], "registers are spilled"
        assert head_dim < 64 or "ld.global.v4" in made.asm["ptx"], "keys are read number by number"
        assert made.metadata.shared <= 48 * 1024  # more must be asked for
        assert all(0 < size < 65_536 for size in grid)


class FakeDriver:
    """Stand in for CUDA's driver library: note the calls, and read what a kernel would."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.images: list[bytes] = []
        self.names: list[bytes] = []
        self.launched: list[dict[str, Any]] = []

    def cuModuleLoadData(self, module: Any, image: ctypes.c_char_p) -> int:  # noqa: N802
        self.images.append(image.value or b"")
        return self.code

    def cuModuleGetFunction(self, function: Any, module: ctypes.c_void_p, name: bytes) -> int:  # noqa: N802
        self.names.append(name)
        function._obj.value = len(self.names)
        return 0

    def cuLaunchKernel(self, function: ctypes.c_void_p, *rest: Any) -> int:  # noqa: N802
        *sizes, stream, addresses, extra = rest
        self.launched.append(
            {
                "function": function.value,
                "sizes": [size.value for size in sizes],
                "stream": stream.value,
                "words": [ctypes.c_uint64.from_address(address).value for address in addresses],
                "scale": [ctypes.c_float.from_address(address).value for address in addresses],
                "extra": extra,
            }
        )
        return 0


def test_without_a_compiler_the_driver_gets_pointers_numbers_and_no_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.engine.runners.row_attention import _scale
    from worker.engine.runners.triton_launch import DriverLauncher

    launched, driver = launches(monkeypatch, torch.float16, 4, 16), FakeDriver()
    launch = DriverLauncher(90, driver, lambda: 77)
    for _ in range(2):
        for kernel, grid, arguments in launched:
            launch(kernel, grid, *arguments)
    assert driver.names == [b"attend_to_chunk", b"join_chunks", b"attend_to_text"]  # loaded once each
    assert [call["function"] for call in driver.launched] == [1, 2, 3, 1, 2, 3]
    assert all(image.startswith(b"\x7fELF") for image in driver.images)
    first, arguments = driver.launched[0], launched[0][2]
    assert first["sizes"][:6] == [2, 4, 12, 128, 1, 1]
    assert (first["stream"], first["extra"]) == (77, None)
    assert first["words"][:6] == [tensor.data_ptr() for tensor in arguments[:6]]
    assert first["scale"][6] == pytest.approx(_scale(16))
    assert first["words"][7] & 0xFFFFFFFF == 2 * 4 * CONTEXT * 16  # from one row to the next
    assert first["words"][8:] == [0, 0]
    assert len(driver.launched[1]["words"]) == 5 + 2


def test_what_the_driver_refuses_is_an_error_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.engine.runners.triton_launch import DriverLauncher

    kernel, grid, arguments = launches(monkeypatch, torch.float16, 4, 16)[0]
    with pytest.raises(RuntimeError, match="CUDA's driver refuses cuModuleLoadData: error 209"):
        DriverLauncher(90, FakeDriver(code=209), lambda: 0)(kernel, grid, *arguments)


def test_another_way_to_pass_arguments_is_not_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.engine.runners import triton_launch
    from worker.engine.runners.step_attention import KernelsUnsupported

    kernel, _, arguments = launches(monkeypatch, torch.float16, 4, 16)[0]
    monkeypatch.setattr(triton_launch, "SCRATCH", 1)
    with pytest.raises(KernelsUnsupported, match="this Triton passes arguments in another way"):
        triton_launch.compiled(kernel, triton_launch.types_of(kernel, arguments), 90)


def test_triton_launches_where_it_has_a_compiler_and_headers_and_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.engine.runners import triton_launch

    choose = triton_launch.launch_on.__wrapped__
    assert choose(torch.device("cpu")) is triton_launch.launch_by_triton
    monkeypatch.setattr(triton_launch, "has_compiler", lambda: True)
    assert choose(torch.device("cuda")) is triton_launch.launch_by_triton
    monkeypatch.setattr(triton_launch, "has_compiler", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(triton_launch.ctypes, "CDLL", lambda name: FakeDriver())
    assert isinstance(choose(torch.device("cuda")), triton_launch.DriverLauncher)
