"""The check for a GPU, run on a CPU without graphs: every step works, and says what the device cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import bench.traffic
from bench.bandwidth import bandwidth_share, bytes_per_position, weight_bytes
from bench.gpu.crowds import open_engine
from bench.gpu.device import Device
from bench.gpu.findings import Findings
from bench.gpu.model_steps import ages
from bench.gpu.steps import Check, Step
from bench.gpu_check import STEPS, main
from bench.shapes import SHAPES
from worker.engine.selfcheck import compare

CPU = ["--device", "cpu", "--shape", "tiny"]


@pytest.fixture(scope="module")
def said() -> list[str]:
    """Return the lines of a whole check."""
    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as printing:
        patch.setattr(bench.traffic, "MELODY_S", 1.0)
        lines: list[str] = []
        printing.setattr("builtins.print", lambda *words, **_: lines.append(" ".join(map(str, words))))
        status = main(CPU)
    assert status == 0, lines
    return lines


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def named(name: str, *ran: str) -> Step:
    def run(check: Check) -> None:
        check.findings.measured("it ran", ran=True)
        if ran:
            raise RuntimeError(*ran)

    return Step(name, 0.0, run)


@pytest.mark.slow
def test_every_step_has_findings_of_one_line_and_json_ends_them(said: list[str]) -> None:
    line = json.loads(said[-1])
    assert not line["bad"]
    assert not line["left_out"]
    for step in STEPS:
        assert any(text.startswith("[") and f"] {step.name}: " in text for text in said[:-1]), step.name
    assert all("\n" not in text for text in said)


@pytest.mark.slow
def test_songs_of_each_kind_are_measured(said: list[str]) -> None:
    figures = json.loads(said[-1])["figures"]
    crowds = [figures["crowds"][f"{kind} 2"] for kind in ("together", "staggered", "streams")]
    for found in [*crowds, figures["melodies"]["melodies 1"]]:
        assert found["audio_s_per_s"] > 0
        assert 0 < found["step_ms"] <= found["step_p99_ms"] <= found["longest_ms"]
        assert found["failed"] == 0
    assert crowds[2]["first_chunk_s"] > 0
    assert figures["melodies"]["melodies 1"]["conditioning_s"] > 0
    assert figures["shapes"]["tiny 2 joined"]["step_ms"] > 0
    assert figures["correctness"]["equal_frames"] == figures["correctness"]["frames"]


@pytest.mark.slow
def test_what_only_a_gpu_says_is_not_measured(said: list[str]) -> None:
    line = json.loads(said[-1])
    for name in ("machine: what GPU this is", "shapes: tiny, 2 slots, capture", "shapes: the kernels of a step"):
        assert line["not_measured"][name] == "no GPU"
    assert line["figures"]["shapes"]["tiny 2 joined"]["share"] is None


def test_a_step_that_the_time_does_not_allow_is_left_out_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CPU, "--limit", "100"], [Step("long", 101.0, lambda check: None), named("short")]) == 0
    line = last(capsys)
    assert line["left_out"] == {"long": "it needs 101 s, and 100 s are left"}
    assert line["figures"] == {"short": {"ran": True}}


def test_a_step_that_raises_is_a_bad_finding_and_the_next_one_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(CPU, [named("first", "shapes differ"), named("second")]) == 1
    line = last(capsys)
    assert line["bad"] == {"first: it runs": "RuntimeError: shapes differ"}
    assert line["figures"]["second"] == {"ran": True}


@pytest.mark.parametrize("error", ["CUDA error: an illegal memory access", "operation failed due to stream capture"])
def test_after_a_lost_device_or_a_failed_capture_a_fresh_process_goes_on(
    error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []
    main(CPU, [named("machine", error), named("shapes")], lambda program, command: commands.append(command))
    assert commands[0][1:3] == ["-m", "bench.gpu_check"]
    assert main(commands[0][3:], [named("machine"), named("shapes")]) == 1
    line = last(capsys)
    assert line["figures"] == {"machine": {"ran": True}, "shapes": {"ran": True}}
    assert list(line["bad"]) == ["machine: it runs"]


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        main([])
    assert "torch finds no GPU here" in capsys.readouterr().err


@pytest.mark.slow
def test_a_failed_self_check_is_a_bad_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "CODEC_DB", 1e6)
    findings = Findings(step="crowds")
    with open_engine(Check(Device("cpu"), ("tiny",), findings, 60.0)):
        assert "the codec is at" in findings.bad["crowds: self-check"]


def test_a_share_of_the_bandwidth_is_one_where_nothing_but_reading_takes_time() -> None:
    shape = SHAPES["small"]
    read = weight_bytes(shape, "fp16") + 1000 * bytes_per_position(shape, "fp16")
    assert bandwidth_share(shape, "fp16", "fp16", 1000, step_ms=read / 1e9, gb_s=1000) == pytest.approx(1.0)


def test_songs_that_joined_are_at_all_positions_between_the_first_and_the_last() -> None:
    found = ages(64, 1504)
    assert found["joined"].unique().numel() == 64
    assert float(found["joined"].float().mean()) == pytest.approx(776, abs=20)
    assert found["at the end"].unique().tolist() == [1502]


def test_findings_are_the_same_for_the_process_that_goes_on(tmp_path: Path) -> None:
    findings = Findings(step="machine")
    findings.measured("fast", speed=1.23456)
    findings.lacks("more", "no time")
    findings.save(tmp_path / "found.json")
    assert Findings.load(tmp_path / "found.json") == findings
