"""The ctypes structures match step.h: the C compiler compares each size and offset."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

from tests.worker.engine.native.compiling import FLAGS, compiler_here
from worker.engine.native import structures
from worker.engine.native.linear import has_layout
from worker.engine.runners.native_kv_cache import PAGE

IN_C = {
    "Matrix": structures.Matrix,
    "Norm": structures.NormWeights,
    "Layer": structures.LayerWeights,
    "Model": structures.Model,
    "Span": structures.Span,
    "Step": structures.Step,
    "Product": structures.Product,
    "Recurrence": structures.Recurrence,
    "Copy": structures.Copy,
    "Convolution": structures.Convolution,
    "Kernels": structures.KernelTable,
}


def compared(name: str, structure: type[ctypes.Structure]) -> list[str]:
    """Return what must hold of one structure, in C."""
    lines = [f"_Static_assert(sizeof({name}) == {ctypes.sizeof(structure)}, {name!r});"]
    for field in structure._fields_:
        offset, size = getattr(structure, field[0]).offset, getattr(structure, field[0]).size
        member = f"(({name} *)0)->{field[0]}"
        lines.append(
            f"_Static_assert(offsetof({name}, {field[0]}) == {offset} && sizeof({member}) == {size}, {name!r});"
        )
    return [line.replace("'", '"') for line in lines]


def compiles(lines: list[str], folder: Path) -> bool:
    source = folder / "compared.c"
    source.write_text("\n".join(['#include "step.h"', "#include <stddef.h>", *lines]))
    command = [*compiler_here(), *FLAGS, "-fsyntax-only", str(source)]
    return subprocess.run(command, capture_output=True).returncode == 0


def test_every_structure_lies_in_memory_as_c_has_it(tmp_path: Path) -> None:
    lines = [line for name, structure in IN_C.items() for line in compared(name, structure)]
    lines += [f"_Static_assert({kind.upper()} == {number}, {kind!r});" for kind, number in structures.KINDS.items()]
    lines.append(f"_Static_assert(PAGE == {PAGE}, 'page');")
    assert compiles([line.replace("'", '"') for line in lines], tmp_path)


def test_a_field_that_is_elsewhere_would_be_seen(tmp_path: Path) -> None:
    class Moved(ctypes.Structure):
        _fields_ = (("pages", ctypes.c_void_p), ("row", ctypes.c_int32), ("length", ctypes.c_int32))

    assert not compiles(compared("Span", Moved), tmp_path)


def test_only_inputs_that_fill_whole_words_have_a_layout() -> None:
    assert has_layout("int8", 64, 68)
    assert not has_layout("int8", 64, 66)
    assert has_layout("bf16", 66)
    assert not has_layout("fp16", 64)
