"""The benchmark's report gives ratios against audiocraft and against the fastest peer."""

from __future__ import annotations

from bench.plan import Case, Run
from bench.report import Figures, json_figures
from worker.engine.core.types import Precision


def case(contestant: str, batch_size: int, *seconds: float, precision: Precision = "fp32") -> Case:
    return Case(contestant, precision, precision, batch_size, lambda duration_s, patience_s: Run(0, None), [*seconds])


def test_ratio_and_bound_are_counted_for_all_songs_together() -> None:
    figures = Figures.of(
        case("ostinato", 16, 30.0, 10.0, 20.0), [case("audiocraft", 1, 60.0)], duration_s=10.0, least_s=5.0
    )
    assert (figures.ratio, figures.realtime_factor, figures.bandwidth_fraction) == (48.0, 8.0, 0.25)


def test_a_ratio_is_against_the_reference_and_against_the_fastest_peer() -> None:
    peers = [case("audiocraft", 1, 60.0), case("transformers", 1), case("openvino", 1, 30.0, precision="int8")]
    ran = [peer for peer in peers if peer.seconds]
    ours = [case("ostinato", 1, 20.0, precision="int8"), case("ostinato", 16, 80.0, precision="int8")]
    line = json_figures([Figures.of(each, peers, 10.0, 5.0) for each in [*ran, *ours]])
    assert line["best_peer"] == "openvino"
    assert (line["audiocraft_ratio"], line["openvino_ratio"]) == (1.0, 2.0)
    assert (line["single_ratio_int8"], line["single_int8_ratio_best_peer"]) == (3.0, 1.5)
    assert (line["aggregate_ratio_16_int8"], line["aggregate_16_int8_ratio_best_peer"]) == (12.0, 6.0)


def test_without_the_reference_there_is_no_ratio_to_it() -> None:
    peers = [case("transformers", 1, 40.0)]
    line = json_figures([Figures.of(each, peers, 10.0, 5.0) for each in [*peers, case("ostinato", 1, 20.0)]])
    assert "single_ratio_fp32" not in line
    assert line["single_fp32_ratio_best_peer"] == 2.0
