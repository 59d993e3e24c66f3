"""The engine's benchmark on a tiny shape: every promised key is there, and the figures can be true."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.bandwidth import bytes_per_clip, weight_bytes
from bench.engine import parts, read_arguments
from bench.engine_bench import EngineBench
from bench.entrants import COMPILED, OPENVINO, why_missing
from bench.plan import clip_length
from bench.shapes import SHAPES, random_musicgen, random_transformers, write_musicgen
from stack import child_process
from stack.child_process import Child
from tests.fork_server import ForkServer
from worker.engine.native.loader import all_kernels

pytestmark = [pytest.mark.xdist_group("the engine's benchmark"), pytest.mark.slow]  # its outcome is made once for all

PEERS = ["audiocraft", "transformers", *([] if why_missing(OPENVINO, "cpu") else [OPENVINO])]


def forked(fork_server: ForkServer) -> Callable[..., Child]:
    """Fork what runs by this Python, and start plainly what runs by a peer's own."""

    def spawn(command: list[str], **more: Any) -> Child:
        start = fork_server.spawn if command[0] == sys.executable else child_process.spawn
        return start(command, **more)

    return spawn


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> tuple[dict[str, Any], str, Path]:
    folder = tmp_path_factory.mktemp("bench")
    words = ["--shape", "tiny", "--duration", "0.6", "--songs", "1", "16", "--precisions", "fp32", "int8", "--once"]
    words += [
        "--traffic",
        "2",
        "--melodies",
        "1",
        "--bandwidth-block-mb",
        "32",
        "--picture",
        str(folder / "ratio.svg"),
        "--peers",
        *PEERS,
    ]
    said = Console(file=io.StringIO(), highlight=False, soft_wrap=True)
    line = EngineBench(read_arguments(words), said, folder, forked(fork_server)).run()
    assert isinstance(said.file, io.StringIO)
    return line, said.file.getvalue(), folder / "ratio.svg"


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
    assert line["audiocraft_ratio"] == 1
    assert line["transformers_ratio"] > 0.01
    assert line["best_peer"] == min(PEERS, key=lambda peer: line[f"{peer}_s"])


def test_the_json_line_says_how_soon_how_large_and_how_sturdy_each_precision_is(
    outcome: tuple[dict[str, Any], str, Path],
) -> None:
    line = outcome[0]
    best = line[f"{line['best_peer']}_ratio"]
    for precision in ("fp32", "int8"):
        assert 0 < line[f"first_chunk_s_{precision}"] <= line[f"first_second_s_{precision}"]
        assert 0 < line[f"boot_rss_mb_{precision}"] <= line[f"boot_peak_mb_{precision}"]
        assert line[f"busy_step_ratio_{precision}"] > 0
        assert line[f"step_ms_1_{precision}"] > 0
        assert precision in line["kernels"]
        ours = line[f"single_ratio_{precision}"] / best
        assert line[f"single_{precision}_ratio_best_peer"] == pytest.approx(ours, rel=0.1, abs=0.02)
    assert all(line[f"step_ms_{peer}"] > 0 for peer in PEERS)
    assert line["cpu"]["name"]


def test_the_json_line_has_songs_that_join_beside_those_that_start_together(
    outcome: tuple[dict[str, Any], str, Path],
) -> None:
    line, text, _ = outcome
    for name in ("together_2", "staggered_2", "streams_2", "melodies_1"):
        assert line[name]["audio_s_per_s"] > 0
        assert 0 < line[name]["step_ms"] <= line[name]["step_p99_ms"]
        assert line[name]["bandwidth_fraction"] > 0
        assert line[name]["failed"] == 0
    assert "2 songs of 0.6 s, staggered: " in text
    assert line["captures_fp32"] == 0
    assert line["warm_up_s_fp32"] + line["load_s_fp32"] <= line["boot_s_fp32"] + 0.2  # rounded


def test_traffic_is_measured_on_a_gpu_without_being_asked_for() -> None:
    assert (read_arguments([]).traffic, read_arguments([]).melodies) == ([], 0)
    on_gpu = read_arguments(["--device", "cuda"])
    assert (on_gpu.traffic, on_gpu.melodies) == ([16, 64, 128], 16)


def test_a_short_run_says_what_only_a_full_one_measures(outcome: tuple[dict[str, Any], str, Path]) -> None:
    skipped = outcome[0]["skipped"]
    for name in (COMPILED, "clips of 30 s", "medium's shape"):
        assert "FULL=1" in skipped[name]
    asked_for = "it was not asked for" if all_kernels() else "it has no fast kernel on this CPU"
    assert (skipped["bf16"], skipped["fp16"]) == (asked_for, "it has no fast kernel on this CPU")
    if OPENVINO not in PEERS:
        assert skipped[OPENVINO]


def test_a_full_run_has_two_hours_for_all_peers_long_clips_and_medium() -> None:
    made = parts(read_arguments(["--full"]))
    assert 6000 < sum(part.budget for part in made.values()) <= 7200
    assert all(COMPILED in part.peers for part in made.values())
    assert (made["clips_30_s"].duration, made["medium"].shape) == (30.0, "medium")


def test_a_contestant_that_dies_is_told_and_the_others_run(tmp_path: Path, fork_server: ForkServer) -> None:
    words = ["--shape", "tiny", "--duration", "0.1", "--songs", "1", "--precisions", "int8", "--once"]
    args = read_arguments([*words, "--bandwidth-block-mb", "32", "--peers", "transformers"])
    bench = EngineBench(args, Console(quiet=True), tmp_path, fork_server.spawn)
    (tmp_path / "weights-tiny" / "audiocraft").mkdir(parents=True)
    write_musicgen("tiny", tmp_path / "weights-tiny" / "audiocraft")  # and nothing for transformers
    line = bench.run()
    assert "exit code 1" in line["skipped"]["transformers fp32"]
    assert line["best_peer"] is None
    assert line["realtime_factor_1_int8"] > 0


def test_people_get_a_table_and_a_picture(outcome: tuple[dict[str, Any], str, Path]) -> None:
    _, text, picture = outcome
    assert re.search(r"ostinato int8, 16 songs +int8 +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +\d+ %", text)
    assert "<svg" in picture.read_text()


@pytest.mark.parametrize(
    ("reference_s", "left_s", "length_s"),
    [(22.0, 740.0, 3.5), (1.0, 740.0, 10.0), (22.0, 60.0, 0.5), (22.0, 0.0, 10.0), (0.0, 740.0, 10.0)],
)
def test_clips_are_as_long_as_the_time_allows(reference_s: float, left_s: float, length_s: float) -> None:
    assert clip_length(reference_s, left_s, longest_s=10.0) == length_s


def test_the_bound_counts_weights_once_a_step_and_keys_and_values_once_a_song() -> None:
    shape = SHAPES["tiny"]
    one, three = (bytes_per_clip(shape, "fp32", "fp32", clips, 50) for clips in (1, 3))
    caches = (three - one) / 2
    assert one - caches == 53 * weight_bytes(shape, "fp32")
    # 2 layers, keys and values, both halves, 64 numbers of 4 bytes, on average 27 positions
    assert caches == 53 * 2 * 2 * 2 * 64 * 4 * 27
    assert weight_bytes(shape, "int8") < weight_bytes(shape, "fp32") / 3
    assert bytes_per_clip(shape, "fp32", "int8", 1, 50) < one


def test_the_bound_counts_each_matrix_that_a_step_reads() -> None:
    lm = random_musicgen("tiny").lm
    matrices = [linear.weight for linear in lm.linears]
    for layer in lm.transformer.layers:
        assert layer.cross_attention is not None
        matrices += [layer.self_attn.in_proj_weight, layer.self_attn.out_proj.weight, layer.linear1.weight]
        matrices += [layer.linear2.weight, layer.cross_attention.out_proj.weight]
        matrices.append(layer.cross_attention.in_proj_weight.chunk(3)[0])
    assert weight_bytes(SHAPES["tiny"], "fp32") == 4 * sum(matrix.numel() for matrix in matrices)
    assert weight_bytes(SHAPES["tiny"], "int8") == sum(matrix.numel() + 4 * len(matrix) for matrix in matrices)


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
