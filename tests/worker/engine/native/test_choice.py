"""The kernels are chosen by a benchmark that is kept, forced by name, and never measured for a small or exact model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.music.catalog import Catalog
from shared.settings import Settings
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.native import choice
from worker.engine.native.loader import all_kernels
from worker.engine_factory import load_engine

LARGE = 300_000_000
BEST = all_kernels()[0].name


@pytest.fixture
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the choice, and a benchmark that takes no seconds."""
    monkeypatch.setattr(choice, "compiled_path", lambda: tmp_path / "kernels.so")
    monkeypatch.setattr(choice, "BLOCK_BYTES", 8 << 20)
    return tmp_path


def test_a_choice_is_made_for_each_precision_and_kept(kept_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = choice.measured()
    assert set(found) == {"fp32", "bf16", "int8"}
    assert all(set(made.gb_s) == {kernels.name for kernels in all_kernels()} for made in found.values())
    monkeypatch.setattr(choice, "_measure", lambda precision: pytest.fail("measured again"))
    assert choice.measured() == found


@pytest.mark.parametrize("kept", ["", "{}", "[1]", '{"fp32": {"kind": "none", "gb_s": {}}}', "\x00"])
def test_what_cannot_be_read_is_measured_anew(kept_in: Path, kept: str) -> None:
    choice.measured()
    (path,) = kept_in.glob("choice-*.json")
    path.write_text(kept)
    assert set(choice.measured()) == {"fp32", "bf16", "int8"}
    assert set(json.loads(path.read_text())) == {"fp32", "bf16", "int8"}


def test_a_folder_that_cannot_be_written_is_no_fault(kept_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "compiled_path", lambda: kept_in / "away" / "kernels.so")
    assert choice.measured()["int8"].kind in {kernels.name for kernels in all_kernels()}


def test_a_kind_is_left_for_one_that_is_a_tenth_faster_and_not_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    def times(*seconds: float) -> Callable[[str], dict[str, dict[int, float]]]:
        return lambda precision: {
            name: dict.fromkeys(choice.ROWS, time) for name, time in zip(("wide", "narrow"), seconds, strict=True)
        }

    monkeypatch.setattr(choice, "_seconds", times(1.05, 1.0))
    assert choice._measure("int8").kind == "wide"
    monkeypatch.setattr(choice, "_seconds", times(1.2, 1.0))
    assert choice._measure("int8").kind == "narrow"


def test_small_and_exact_models_take_the_best_ranked_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "measured", lambda: pytest.fail("measured"))
    assert choice.named_or_usual(None, "fp32", 2_000_000, exact=False) is all_kernels()[0]
    assert choice.named_or_usual(None, "int8", LARGE, exact=True) is all_kernels()[0]
    assert choice.named_or_usual(BEST, "int8", LARGE, exact=False) is all_kernels()[0]


@pytest.mark.slow
def test_the_engine_says_by_which_kernels_it_multiplies(checkpoint: Callable[[str], Path]) -> None:
    for name in (BEST, "torch"):
        engine = ContinuousBatchingEngine.load(checkpoint("text"), slots=1, kernels_name=name)
        engine.close()
        assert engine.info.kernels == name
        assert engine.info.version.endswith(f"kernels {name}")


def test_kernels_that_this_cpu_does_not_run_are_refused_with_those_that_it_does(
    checkpoint: Callable[[str], Path],
) -> None:
    folder = checkpoint("text")
    settings = Settings(_env_file=None, model=str(folder), kernels="avx1024", device="cpu")
    with pytest.raises(ConfigurationError, match=f"KERNELS=avx1024: this CPU runs the kernels {BEST}.*, not avx1024"):
        load_engine(Catalog(settings).for_worker(str(folder)), settings)


def test_the_command_prints_the_choice_or_refuses_a_name(kept_in: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert choice.main([]) == 0
    assert "GB/s" in capsys.readouterr().out
    assert choice.main(["torch"]) == 0
    assert choice.main(["avx1024"]) == 1
    assert "not avx1024" in capsys.readouterr().out
