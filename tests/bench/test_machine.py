"""The processor as the benchmark's line says it."""

from __future__ import annotations

from bench.machine import describe_cpu

ZEN = """processor\t: 0
model name\t: AMD EPYC 9R14
flags\t\t: fpu sse2 avx avx2 avx512f avx512_bf16 avx512_vnni
processor\t: 1
model name\t: AMD EPYC 9R14
"""
ARM = """processor\t: 0
Features\t: fp asimd asimddp bf16 i8mm
"""


def test_a_processor_is_named_with_the_instructions_that_kernels_differ_by() -> None:
    found = describe_cpu(ZEN)
    assert found["name"] == "AMD EPYC 9R14"
    assert found["flags"] == ["avx2", "avx512f", "avx512_vnni", "avx512_bf16"]
    assert describe_cpu(ARM)["flags"] == ["asimddp", "i8mm"]


def test_this_processor_has_a_name() -> None:
    found = describe_cpu()
    assert found["name"]
    assert found["cores"] > 0
