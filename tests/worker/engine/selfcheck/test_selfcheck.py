"""The self-check passes what is right, in every precision, and finds each fault that is put into an engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.settings import ROOT
from tests.worker.engine.runners.fake_graphs import FakeGraphs
from worker.engine.codec.recurrence import Recurrence, State
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.decoder import Decoder, Norm
from worker.engine.model.linear import PackedLinear, Packer
from worker.engine.runners import cuda_step, step_attention
from worker.engine.runners.paged_kv_cache import PageTable
from worker.engine.selfcheck.compare import SelfCheckFailed
from worker.engine.selfcheck.kept import KeptChecks

pytestmark = pytest.mark.slow

SHIPPED = ROOT / "models" / "tiny"
EACH_TIME = KeptChecks(None)
Check = Callable[..., tuple[str, ...]]


@pytest.fixture
def check(checkpoint: Callable[[str], Path]) -> Check:
    """Load an engine on a random checkpoint, or on a folder's, and check it."""

    def check(shape: str | Path, *, checks: KeptChecks = EACH_TIME, **options: object) -> tuple[str, ...]:
        folder = checkpoint(shape) if isinstance(shape, str) else shape
        engine = ContinuousBatchingEngine.load(folder, slots=2, checks=checks, **options)
        try:
            return engine.check()
        finally:
            engine.close()

    return check


@pytest.mark.parametrize(("shape", "runner"), [("text", "cpu"), ("text", "cuda"), ("tiny", "cuda"), ("stereo", "cpu")])
def test_an_engine_that_is_right_passes(check: Check, shape: str, runner: str) -> None:
    found = check(shape, runner=runner)
    assert found[0].startswith("logits of 20 steps in fp32 differ")
    assert found[-1].startswith("the codec is at ")
    twin = [sentence for sentence in found if "greedy codes" in sentence]
    codebooks = 8 if shape == "stereo" else 4
    assert twin == ([f"0 of {50 * codebooks} greedy codes are not those of plain steps"] if runner == "cpu" else [])


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "int8"},
        {"precision": "int8", "kernels_name": "torch"},
        {"precision": "bf16"},
        {"precision": "fp16", "runner": "cuda"},
        {"precision": "bf16", "runner": "cuda"},
    ],
    ids=str,
)
def test_the_shipped_model_passes_in_every_precision(check: Check, options: dict[str, object]) -> None:
    assert len(check(SHIPPED, **options)) >= 2


def test_a_mask_that_leaves_a_position_out_is_found(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    paged, static = PageTable.mask, step_attention.mask_of

    def less(lengths: torch.Tensor) -> torch.Tensor:
        return lengths - (lengths > 4).long()

    monkeypatch.setattr(PageTable, "mask", lambda table, lengths, heads: paged(table, less(lengths), heads))
    monkeypatch.setattr(step_attention, "mask_of", lambda lengths, width, dtype: static(less(lengths), width, dtype))
    for options in ({"runner": "cuda"}, {"kernels_name": "torch"}):
        with pytest.raises(SelfCheckFailed, match="logits of 20 steps in fp32 differ"):
            check("text", **options)


def test_a_position_that_stays_behind_is_found(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    positions = Decoder.positions
    monkeypatch.setattr(Decoder, "positions", lambda decoder, at: positions(decoder, (at - 1).clamp(min=0)))
    for runner in ("cpu", "cuda"):
        with pytest.raises(SelfCheckFailed, match="logits of 20 steps in fp32 differ"):
            check("text", runner=runner)


def test_a_number_that_is_none_is_found(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Norm.of

    def broken(module: torch.nn.LayerNorm, dtype: torch.dtype) -> Norm:
        norm = made(module, dtype)
        return Norm(norm.weight.index_fill(0, torch.tensor([0]), torch.nan), norm.bias, norm.eps, dtype)

    monkeypatch.setattr(Norm, "of", broken)
    for runner in ("cpu", "cuda"):
        with pytest.raises(SelfCheckFailed, match="logits are not numbers"):
            check("text", runner=runner)


def round_packed(monkeypatch: pytest.MonkeyPatch, rounded: Callable[[torch.Tensor], torch.Tensor]) -> None:
    pack = Packer.__call__

    def rounding(packer: Packer, weight: torch.Tensor, bias: torch.Tensor | None) -> PackedLinear:
        return pack(packer, rounded(weight.detach().float()), bias)

    monkeypatch.setattr(Packer, "__call__", rounding)


def to_7_bits(weight: torch.Tensor) -> torch.Tensor:
    scale = weight.abs().amax(dim=1, keepdim=True) / 63
    return (weight / scale).round() * scale


def to_10_bits_of_mantissa(x: torch.Tensor) -> torch.Tensor:
    """Round as TF32 does: 13 of float32's 23 bits go."""
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


@pytest.mark.parametrize("options", [{"runner": "cpu"}, {"runner": "cuda", "precision": "fp16"}], ids=str)
def test_weights_of_7_bits_are_found(check: Check, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]) -> None:
    round_packed(monkeypatch, to_7_bits)
    with pytest.raises(SelfCheckFailed, match=r"logits of 20 steps in fp(32|16) differ"):
        check(SHIPPED, **options)


def test_tf32_in_float32s_mode_is_found(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round both sides of each product, as a GPU does."""
    pack = Packer.__call__

    def by_tf32(packer: Packer, weight: torch.Tensor, bias: torch.Tensor | None) -> PackedLinear:
        packed = pack(packer, to_10_bits_of_mantissa(weight.detach()), bias)
        return lambda x: packed(to_10_bits_of_mantissa(x))

    monkeypatch.setattr(Packer, "__call__", by_tf32)
    with pytest.raises(SelfCheckFailed, match="logits of 20 steps in fp32 differ") as found:
        check(SHIPPED, runner="cuda")
    print(found.value)


def test_tf32_in_the_codecs_lstm_is_found(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_tf32(recurrence: Recurrence, x: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        lstm, rounded = recurrence.lstm, to_10_bits_of_mantissa
        for layer, (h, c) in enumerate(zip(*state, strict=True)):
            w_in, w_back, b_in, b_back = lstm.all_weights[layer]
            outputs = []
            for known in rounded(x) @ rounded(w_in).t() + b_in + b_back:
                i, f, g, o = (known + rounded(h) @ rounded(w_back).t()).chunk(4, dim=1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
                outputs.append(h)
            x = torch.stack(outputs)
        return x, state

    monkeypatch.setattr(Recurrence, "_run_lstm", by_tf32)
    with pytest.raises(
        SelfCheckFailed, match=r"self-check: the codec is at \d+ dB of audiocraft's \(at least 40\)$"
    ) as x:
        check(SHIPPED)
    print(x.value)


def test_a_graph_that_does_otherwise_than_its_step_is_found(
    checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeGraphs(monkeypatch)
    options = {"slots": 2, "runner": "cuda", "graphs": True, "checks": EACH_TIME}
    engine = ContinuousBatchingEngine.load(checkpoint("text"), **options)
    runner: Any = engine._runner
    fake.attach(runner)
    engine.warm_up(lambda done, total: None)
    step, numbers = fake.step, runner._state.numbers

    def stale(shape: cuda_step.StepShape) -> None:
        numbers[:, cuda_step.PREFIX] -= 1
        step(shape)
        numbers[:, cuda_step.PREFIX] += 1

    runner._graphs._run = step  # only the graphs are wrong
    monkeypatch.setattr(fake, "step", stale)
    with pytest.raises(SelfCheckFailed, match=r"\d+ of 200 greedy codes are not those of plain steps"):
        engine.check()
    engine.close()


def test_what_passed_is_kept_for_this_checkpoint_and_these_options(
    check: Check, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    kept, folder = KeptChecks(tmp_path / "kept"), tmp_path / "copy"
    shutil.copytree(checkpoint("text"), folder)
    assert len(check(folder, checks=kept)) == 3
    assert check(folder, checks=kept) == ()
    assert check(checkpoint("text"), checks=kept) == (), "the digest counts, wherever it lies"
    assert len(check(folder, checks=kept, precision="bf16")) == 3
    shutil.copy(checkpoint("tiny") / "compression_state_dict.bin", folder)
    assert len(check(folder, checks=kept)) == 3
    assert len(check(folder, checks=KeptChecks(None))) == 3


def test_what_failed_is_not_kept(check: Check, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    round_packed(monkeypatch, to_7_bits)
    kept = KeptChecks(tmp_path)
    for _ in range(2):
        with pytest.raises(SelfCheckFailed):
            check("text", checks=kept)
    assert list(tmp_path.iterdir()) == []
