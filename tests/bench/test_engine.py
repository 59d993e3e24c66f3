"""The engine's benchmark on a tiny shape: every promised key is there, and the figures can be true."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.bandwidth import bytes_per_clip, weight_bytes
from bench.contestants import Case
from bench.engine import clip_length
from bench.plan import Plan, in_order
from bench.report import Figures
from bench.shapes import random_musicgen, random_transformers
from shared.settings import ROOT
from tests.fork_server import ForkServer

TIMEOUT_S = 300.0

pytestmark = [pytest.mark.xdist_group("the engine's benchmark"), pytest.mark.slow]  # its outcome is made once for all


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> tuple[dict[str, Any], str, Path]:
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "bench.engine", "--shape", "tiny", "--duration", "0.3", "--songs", "1", "16"]
    command += ["--once", "--bandwidth-block-mb", "32", "--picture", str(folder / "ratio.svg")]
    with (folder / "log").open("wb") as log:
        code = fork_server.spawn(command, output=log, cwd=ROOT).wait(TIMEOUT_S)
    said = (folder / "log").read_text()
    assert code == 0, said[-3000:]
    return json.loads(said.splitlines()[-1]), said, folder / "ratio.svg"


def test_the_json_line_has_every_promised_figure(outcome: tuple[dict[str, Any], str, Path]) -> None:
    line = outcome[0]
    for precision in ("fp32", "int8"):
        assert line[f"single_ratio_{precision}"] > 0.05
        assert line[f"aggregate_ratio_16_{precision}"] > line[f"single_ratio_{precision}"]
        for batch_size in (1, 16):
            assert line[f"realtime_factor_{batch_size}_{precision}"] > 0.01
            assert 0 < line[f"bandwidth_fraction_{batch_size}_{precision}"] < 1
            assert line[f"runs_{batch_size}_{precision}"] >= 1
    assert line["kv_fp32"] == "fp32"
    assert line["kv_int8"] == "int8"
    assert line["bytes_per_slot_int8"] < line["bytes_per_slot_fp32"] / 2
    assert 0 < line["first_chunk_s"] < 30
    assert line["audiocraft_ratio"] == 1
    assert line["transformers_ratio"] > 0.01
    assert set(line["skipped"]) == {"bf16", "fp16"}


def test_people_get_a_table_and_a_picture(outcome: tuple[dict[str, Any], str, Path]) -> None:
    _, text, picture = outcome
    assert re.search(r"ostinato int8, 16 songs +int8 +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +\d+ %", text)
    assert "<svg" in picture.read_text()


def test_what_the_time_does_not_allow_is_left_out_by_name() -> None:
    now = 0.0

    def case(batch_size: int, takes_s: float, contestant: str = "ostinato") -> Case:
        def run(duration_s: float) -> None:
            nonlocal now
            now += takes_s

        return Case(contestant, "fp32", "fp32", batch_size, run)

    def run(*order: Case, budget_s: float) -> Plan:
        plan = Plan(list(order), budget_s, clock=lambda: now)
        plan.run(10.0, Console(quiet=True))
        return plan

    peer, one, many = case(1, 2.0, "audiocraft"), case(1, 1.0), case(16, 16.0)
    assert run(*in_order([peer], [many, one], promised=(1,)), budget_s=42.0).left_out == {}
    assert (len(peer.seconds), len(one.seconds), len(many.seconds)) == (3, 4, 1)
    one, starved = case(1, 7.0), case(16, 16.0)
    assert list(run(one, starved, one, budget_s=32.0).left_out) == [starved.name]
    assert (len(one.seconds), starved.seconds) == (2, [])


def test_what_has_not_run_is_guessed_by_the_same_engine_in_another_precision() -> None:
    def case(contestant: str, precision: str, batch_size: int, *seconds: float) -> Case:
        return Case(contestant, precision, precision, batch_size, lambda duration_s: None, list(seconds))

    peer, one, two = (
        case("audiocraft", "fp32", 1, 200.0),
        case("ostinato", "fp32", 1, 70.0),
        case("ostinato", "int8", 1),
    )
    another = case("transformers", "fp32", 1)
    plan = Plan([peer, one, two, another], 0)
    assert (plan.estimate(two), plan.estimate(another)) == (70.0, 200.0)


@pytest.mark.parametrize(
    ("reference_s", "left_s", "length_s"),
    [(22.0, 740.0, 4.5), (1.0, 740.0, 10.0), (22.0, 60.0, 0.5), (22.0, 0.0, 10.0)],
)
def test_clips_are_as_long_as_the_time_allows(reference_s: float, left_s: float, length_s: float) -> None:
    assert clip_length(reference_s, left_s, longest_s=10.0) == length_s


def test_ratio_and_bound_are_counted_for_all_songs_together() -> None:
    case = Case("ostinato", "fp32", "fp32", 16, lambda duration_s: None, [30.0, 10.0, 20.0])
    figures = Figures.of(case, reference_s=60.0, duration_s=10.0, least_s=5.0)
    assert (figures.ratio, figures.realtime_factor, figures.bandwidth_fraction) == (48.0, 8.0, 0.25)


def test_the_bound_counts_weights_once_a_step_and_keys_and_values_once_a_song() -> None:
    lm = random_musicgen("tiny").lm
    one, three = bytes_per_clip(lm, "fp32", 1, 50), bytes_per_clip(lm, "fp32", 3, 50)
    caches = (three - one) / 2
    assert one - caches == 53 * weight_bytes(lm, "fp32")
    # 2 layers, keys and values, both halves, 64 numbers of 4 bytes, on average 27 positions
    assert caches == 53 * 2 * 2 * 2 * 64 * 4 * 27
    assert weight_bytes(lm, "int8") < weight_bytes(lm, "fp32") / 3


def test_transformers_has_the_same_shape() -> None:
    theirs, _ = random_transformers("tiny")
    ours = random_musicgen("tiny")
    conditioners = sum(p.numel() for p in ours.lm.condition_provider.parameters())
    assert (
        sum(p.numel() for p in theirs.decoder.parameters())
        == sum(p.numel() for p in ours.lm.parameters()) - conditioners
    )
    assert sum(p.numel() for p in theirs.audio_encoder.parameters()) == sum(
        p.numel() for p in ours.compression_model.parameters()
    )
