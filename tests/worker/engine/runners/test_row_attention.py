"""Attention over each row's own positions: by Triton's interpreter on the CPU, and compiled for GPUs, without one."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from shared.settings import ROOT
from worker.engine.model.memory import Capacity
from worker.engine.runners.buckets import Buckets
from worker.engine.runners.step_attention import MaskedAttention, choose

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("triton"),
    pytest.mark.skipif(sys.platform != "linux", reason="Triton is for Linux"),
]
FLOAT32_OFF = 1e-5  # of a row's largest value
HALF_OFF = {"float16": 1e-3, "bfloat16": 1e-2}
ON_A_GPU = SimpleNamespace(heads=4, head_dim=16, dtype=torch.float16, device=torch.device("cuda"))


def interpreted(*arguments: str) -> Any:
    """Return what that program printed; Triton reads the variable when it is imported."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.worker.engine.runners.interpreted", *arguments]
    found = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def attention() -> Any:
    return interpreted("attention")


def test_in_every_shape_rows_attend_as_under_masks_and_read_nothing_behind_their_ends(attention: Any) -> None:
    shapes = attention["shapes"]
    assert {heads for (heads, _, _), *_ in (case.values() for case in shapes)} >= {1, 32}
    for case in shapes:
        bound = HALF_OFF.get(case["shape"][2], FLOAT32_OFF)
        assert case["self"] < bound, case
        assert case["text"] < bound, case
        assert case["stored"], case


def test_a_row_is_bitwise_the_same_in_any_company(attention: Any) -> None:
    counted = attention["company"]
    assert counted["schedules"] == 200
    assert counted["compared"] > counted["schedules"]
    assert counted["different"] == 0


def test_sequences_have_the_same_codes_and_their_steps_no_buckets_but_those_of_slots(
    checkpoint: Callable[[str], Path],
) -> None:
    found = interpreted("engine", str(checkpoint("text")))
    assert found["codes"]["own"] == found["codes"]["masked"]
    assert found["kernels"] == {"own": "torch, triton", "masked": "torch"}
    full = [found["positions"], found["text"]]
    assert found["shapes"]["own"] == [[slots, *full] for slots in (1, 2)]
    assert found["shapes"]["masked"] != found["shapes"]["own"]


def test_there_are_eight_common_shapes_where_masks_have_forty_eight() -> None:
    capacity = Capacity(steps=1504, prefix=0, text=512)
    assert len(list(Buckets(128, capacity, exact=False, own_lengths=True).common_shapes())) == 8
    assert len(list(Buckets(128, capacity, exact=False).common_shapes())) == 48


def test_the_check_at_boot_finds_stale_positions_and_refuses_heads_of_no_power_of_two(attention: Any) -> None:
    found = attention["faults"]
    assert found["none"] == ""
    assert found["stale"].startswith("ArithmeticError: attention over")
    assert found["heads"] == "KernelsUnsupported: heads of 48 numbers, which is no power of two"


@pytest.mark.parametrize("why", ["no triton", "no compiler", "wrong"])
def test_masks_are_taken_where_the_kernels_do_not_run_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    from worker.engine.runners import row_attention

    if why == "no triton":
        monkeypatch.delitem(sys.modules, "worker.engine.runners.row_attention")
        monkeypatch.delitem(sys.modules, "worker.engine.runners.triton_kernels")
        monkeypatch.setitem(sys.modules, "triton", None)
        monkeypatch.delattr("worker.engine.runners.row_attention")
        monkeypatch.delattr("worker.engine.runners.triton_kernels")
    else:
        error = ArithmeticError("off") if why == "wrong" else RuntimeError("Failed to find C compiler")
        monkeypatch.setattr(row_attention, "check", lambda *_: (_ for _ in ()).throw(error))
    with caplog.at_level(logging.INFO):
        assert choose(ON_A_GPU, Capacity(steps=8, prefix=0, text=8)) is MaskedAttention
    said = {"no triton": "ModuleNotFoundError", "no compiler": "Failed to find C compiler", "wrong": "off"}[why]
    assert "attention reads full contexts under masks, not each row's own" in caplog.text
    assert said in caplog.text


def test_an_error_of_the_device_in_the_first_launch_is_no_reason_for_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.engine.runners import row_attention

    error = RuntimeError("CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr(row_attention, "check", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        choose(ON_A_GPU, Capacity(steps=8, prefix=0, text=8))
