"""A worker whose engine fails its self-check steps down; `python -m worker.selfcheck` says what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from shared.music.catalog import Catalog
from shared.settings import Settings
from worker import selfcheck
from worker.engine.runners.native_stepper import NativeStepper
from worker.engine.selfcheck import kept
from worker.engine_factory import open_engine
from worker.ladder import VARIABLE, RungFailed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("torch")]


@pytest.fixture
def wrong_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernels in C miss the truth by a hundredth."""
    forward = NativeStepper.forward

    def missing(stepper: NativeStepper, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return forward(stepper, x, positions) * 1.01

    monkeypatch.setattr(NativeStepper, "forward", missing)


def test_who_fails_steps_down_a_rung_and_later_boots_check_nothing_again(
    wrong_kernels: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kept, "USUAL_FOLDER", tmp_path)
    settings = Settings(_env_file=None, model="tiny", slots=2)
    model = Catalog(settings).for_worker("tiny")
    with pytest.raises(
        RungFailed, match=r"RUNNER=native does not work here \(self-check: logits .* with eager"
    ) as failed:
        open_engine(model, settings, lambda done, total: None)
    monkeypatch.setenv(VARIABLE, json.dumps(failed.value.ladder.failed))
    for findings in (2, 0):
        opened = open_engine(model, settings, lambda done, total: None)
        opened.engine.close()
        assert opened.engine.info.runner == "eager"
        assert opened.slower.startswith("native: self-check: logits of 20 steps")
        assert len(opened.found) == findings


def test_the_command_prints_what_it_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MODEL", "tiny")
    assert selfcheck.main() == 0
    first, *found = capsys.readouterr().out.splitlines()
    assert first.startswith("tiny: native on cpu, fp32, kernels ")
    assert [sentence.split()[0] for sentence in found] == ["logits", "0", "the"]


def test_the_command_ends_with_1_where_something_is_wrong(
    wrong_kernels: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL", "tiny")
    assert selfcheck.main() == 1
    assert capsys.readouterr().err.startswith("error: native: self-check: logits of 20 steps in fp32 differ")
