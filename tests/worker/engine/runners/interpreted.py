"""Run the GPU's attention by Triton's interpreter, and print what came of it as JSON. A program, started by tests:

    TRITON_INTERPRET=1 python -m tests.worker.engine.runners.interpreted attention|engine CHECKPOINT

Triton reads that variable when it is imported, so it has a process of its own. Asserts nothing.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from triton.runtime import interpreter

from tests.worker.engine.runners.driver import RunnerDriver
from worker.engine.runners import row_attention
from worker.engine.runners.row_attention import RowAttention
from worker.engine.runners.step_attention import MaskedAttention, StepAttention

LENGTHS = [1, 2, 127, 128, 129, 256, 1503, 2048]
SHAPES = [(1, head_dim, dtype, LENGTHS) for head_dim in (16, 32, 64, 128) for dtype in ("float32",)]
SHAPES += [(2, head_dim, dtype, [1, 129, 300]) for head_dim in (16, 32, 64, 128) for dtype in ("float16", "bfloat16")]
SHAPES += [(heads, 16, "float32", [130]) for heads in (3, 32)]
POOL, SCHEDULES = 6, 200


def patch_language_once() -> None:
    """Keep the interpreter from patching Triton's language anew at each call: that is most of its time."""
    patch, done = interpreter._patch_lang, set[str]()

    def once(function: Any) -> SimpleNamespace:
        if function.__module__ not in done:
            patch(function)
            done.add(function.__module__)
        return SimpleNamespace(restore=lambda: None)

    interpreter._patch_lang = once


def attended(
    kind: type[StepAttention], lengths: list[int], rows: torch.Tensor, text: torch.Tensor, qkv: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend to the rows, then to texts of the same lengths, as far as they reach."""
    newest, width = torch.tensor(lengths) - 1, text.shape[3]
    attention = kind(newest, (newest + 1).clamp(max=width), rows.shape[3], width, qkv.dtype)
    return attention.attend(rows, qkv), attention.cross_attend(text, qkv[:, 0].contiguous())


def forget_behind(lengths: list[int], rows: torch.Tensor, text: torch.Tensor) -> None:
    """Put what is not a number where no row may read: its newest position too, which is not written yet."""
    for row, length in enumerate(lengths):
        rows[row, :, :, length - 1 :] = torch.nan
        text[row, :, :, length:] = torch.nan


def shapes() -> list[dict[str, object]]:
    """Compare with masks in float32, in every shape: the largest difference, as a share of the row's largest value."""
    found: list[dict[str, object]] = []
    for heads, head_dim, name, lengths in SHAPES:
        dtype, positions = getattr(torch, name), -(-max(lengths) // 8) * 8
        rows, text = (torch.randn(len(lengths), 2, heads, width, head_dim).to(dtype) for width in (positions, 200))
        qkv = torch.randn(len(lengths), 3, heads, head_dim).to(dtype)
        wanted = attended(MaskedAttention, lengths, rows.float(), text.float(), qkv.float())
        forget_behind(lengths, rows, text)
        own = attended(RowAttention, lengths, rows, text, qkv)
        off = [float(((a - b).abs().amax(1) / b.abs().amax(1)).max()) for a, b in zip(own, wanted, strict=True)]
        newest = torch.tensor(lengths) - 1
        stored = torch.equal(rows[torch.arange(len(rows)), :, :, newest], qkv[:, 1:])
        found.append({"shape": [heads, head_dim, name], "self": off[0], "text": off[1], "stored": stored})
    return found


def company() -> dict[str, int]:
    """Count how many rows come out otherwise in company than alone, over random schedules of the same few rows.

    A schedule is a batch of any size and order, its rows at any lengths, in caches of two strides.
    """
    draw, heads, head_dim, positions, width = random.Random(0), 1, 16, 264, 72
    pool, texts = torch.randn(POOL, 2, heads, positions, head_dim), torch.randn(POOL, 2, heads, width, head_dim)
    tokens = torch.randn(POOL, 3, heads, head_dim)
    alone: dict[tuple[int, int], tuple[torch.Tensor, ...]] = {}
    compared = different = 0

    def run(which: list[int], lengths: list[int], step: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows, text = torch.full((len(which) * step, 2, heads, positions, head_dim), torch.nan), texts[which]
        rows[::step] = pool[which]
        forget_behind(lengths, rows[::step], text)
        return attended(RowAttention, lengths, rows[::step], text, tokens[which])

    for _ in range(SCHEDULES):
        which = draw.sample(range(POOL), draw.choice((1, 2, 3)))
        lengths = [draw.choice((64, 129, 264)) for _ in which]
        outs = run(which, lengths, draw.choice((1, 2)))
        for row, key in enumerate(zip(which, lengths, strict=True)):
            if key not in alone:
                alone[key] = run([key[0]], [key[1]], 1)
            compared += 1
            different += any(not torch.equal(out[row], mine[0]) for out, mine in zip(outs, alone[key], strict=True))
    return {"schedules": SCHEDULES, "compared": compared, "different": different}


def engine(checkpoint: str) -> dict[str, object]:
    """Decode short sequences by the runner: masked, and by the kernels in company of others; each sequence's codes."""
    codes: dict[str, list[list[int]]] = {}
    shapes: dict[str, list[object]] = {}
    kernels: dict[str, str] = {}
    for name, kind in (("masked", MaskedAttention), ("own", RowAttention)):
        driver = RunnerDriver(Path(checkpoint), 2, attention=kind)
        sequences = [driver.new_sequence(2), driver.new_sequence(1, seed=4, guidance_scale=1.0, prompt="calm " * 80)]
        driver.run_to_end(*sequences)
        codes[name] = [np.asarray(driver.codes(sequence)).ravel().tolist() for sequence in sequences]
        kernels[name] = driver.runner.kernels_name
        shapes[name] = sorted({(shape.slots, shape.context, shape.text) for shape in driver.shapes})
    return {
        "codes": codes,
        "kernels": kernels,
        "shapes": shapes,
        "positions": driver.capacity.positions,
        "text": driver.capacity.text,
    }


def faults() -> dict[str, str]:
    """Say what the check at boot makes of kernels that are wrong, and of heads that they cannot have."""
    found = {"none": checked(16)}
    with_stale_positions = type("Stale", (RowAttention,), {"attend": _attend_to_stale_positions})
    row_attention.RowAttention = with_stale_positions
    return {**found, "stale": checked(16), "heads": checked(48)}


def _attend_to_stale_positions(self: RowAttention, rows: torch.Tensor, qkv: torch.Tensor) -> torch.Tensor:
    stale = RowAttention((self._newest - 1).clamp(min=0), self._texts, rows.shape[3], 1, qkv.dtype)
    return stale.attend(rows, qkv)


def checked(head_dim: int) -> str:
    decoder = SimpleNamespace(heads=2, head_dim=head_dim, dtype=torch.float16, device=torch.device("cpu"))
    try:
        row_attention.check(decoder, SimpleNamespace(positions=136, text=64))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    patch_language_once()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    name, *arguments = sys.argv[1:]
    if name == "engine":
        print(json.dumps(engine(*arguments)))
    else:
        print(json.dumps({"shapes": shapes(), "company": company(), "faults": faults()}))
