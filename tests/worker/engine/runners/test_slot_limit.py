"""How many slots are worth it, and how many graphs fit: arithmetic on measurements, and what a runner makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.worker.engine.runners.driver import RunnerDriver
from tests.worker.engine.runners.fake_graphs import FakeGraphs
from worker.engine.model.memory import MAX_SLOTS, RESERVE_BYTES, peak_bytes, slots_beside
from worker.engine.runners import graph_boot
from worker.engine.runners.cuda_graphs import LIVE_AFTER, CudaGraphs
from worker.engine.runners.slot_limit import MAX_LIVE, live_graphs, slots_worth

MakeRunner = Callable[..., tuple[RunnerDriver, FakeGraphs]]
FRAME_S = 0.02
GIB = 2**30
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


def line(alone_ms: float, each_ms: float, *sizes: int) -> dict[int, float]:
    """Steps of which each slot takes as long again."""
    return {size: (alone_ms + each_ms * size) / 1e3 for size in sizes or SIZES}


@pytest.mark.parametrize(
    ("step_s", "slots"),
    [
        (line(2.5, 0.1), 128),  # small: 15.3 ms at 128
        (line(5.0, 0.24), 56),  # medium: 20.4 ms at 64
        (line(8.0, 0.27, 1, 2, 4, 8, 16, 32, 48), 40),  # large: 21 ms at 48
        (line(8.0, 0.27, 1, 2, 4, 8, 16, 32, 40), 40),
        ({1: 0.004, 2: 0.004, 4: 0.0045, 8: 0.0085, 16: 0.0157, 32: 0.019}, 4),  # from 4 on no more music a second
        (line(30.0, 0.5), 128),  # one is too slow already, and all together make the most music
        ({1: 0.030, 2: 0.059, 4: 0.118}, 1),
        ({1: 0.005}, 1),
        ({1: 0.005, 2: 0.025}, 1),
    ],
)
def test_slots_are_as_many_as_make_more_music_and_play_in_time(step_s: dict[int, float], slots: int) -> None:
    assert slots_worth(step_s, FRAME_S) == slots


def test_at_the_chosen_number_a_step_takes_no_longer_than_its_music_lasts() -> None:
    for alone in (2.0, 5.0, 8.0, 15.0):
        for each in (0.05, 0.15, 0.3, 0.6):
            slots = slots_worth(line(alone, each), FRAME_S)
            assert (alone + each * slots) / 1e3 <= FRAME_S or slots == 1


def test_live_graphs_have_a_quarter_of_what_is_free_and_are_bounded() -> None:
    assert live_graphs(4 * GIB, 100 * 2**20) == 10
    assert live_graphs(400 * GIB, 100 * 2**20) == MAX_LIVE
    assert live_graphs(0, 100 * 2**20) == 0
    assert live_graphs(4 * GIB, 0) == MAX_LIVE  # where they take nothing


def test_slots_fit_beside_the_codec_and_the_reserve_of_which_a_small_card_gives_half() -> None:
    codec = 13 * GIB // 10
    assert slots_beside(76 * GIB, GIB, codec) == (76 * GIB - codec - RESERVE_BYTES) // GIB
    assert slots_beside(76 * GIB, GIB, codec) < slots_beside(76 * GIB, GIB, 0)
    assert slots_beside(6 * GIB, GIB, codec) == 3
    assert slots_beside(GIB // 2, GIB, codec) == 1
    assert slots_beside(500 * GIB, GIB, codec) == MAX_SLOTS


def test_the_codecs_peak_is_what_it_allocates_beside_what_is_there_and_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allocated, called = [5 * GIB], list[str]()
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: called.append("reset"))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: allocated[-1])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: max(allocated))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: called.append("empty"))
    assert peak_bytes(torch.device("cuda"), lambda: allocated.extend([6 * GIB, 5 * GIB])) == GIB
    assert called == ["reset", "empty"]


@pytest.fixture
def make_runner(checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> MakeRunner:
    """A runner of eight slots with graphs that are faked; steps take those seconds, graphs 100 MiB of 2 GiB each."""

    def make(step_s: dict[int, float], **options: float) -> tuple[RunnerDriver, FakeGraphs]:
        fake = FakeGraphs(monkeypatch)
        driver = RunnerDriver(checkpoint("text"), 8, captures=True, **options)
        fake.attach(driver.runner)
        monkeypatch.setattr(CudaGraphs, "seconds", lambda graphs, shape: step_s[shape.slots])
        monkeypatch.setattr(graph_boot, "free_bytes", lambda device: 2 * GIB - 100 * 2**20 * len(fake.recorded))
        with torch.inference_mode():
            driver.runner.warm_up(lambda done, total: None)
        return driver, fake

    return make


def test_boot_captures_the_largest_first_and_keeps_the_slots_that_are_worth_it(
    make_runner: MakeRunner,
) -> None:
    driver, fake = make_runner({1: 0.004, 2: 0.005, 4: 0.006, 8: 0.04}, frame_s=FRAME_S)
    captured = [(shape.slots, shape.context) for shape in fake.recorded]
    assert captured == sorted(captured, reverse=True)
    assert driver.runner.slots == 4
    assert not driver.runner._state.numbers.any()
    sequences = [driver.new_sequence(3, seed=seed) for seed in range(4)]
    driver.run_to_end(*sequences)
    assert {shape.slots for shape in driver.shapes} <= {1, 2, 4}


def test_a_number_between_two_that_were_timed_gets_graphs_of_its_own(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_boot, "slots_worth", lambda step_s, frame_s: 6)
    driver, fake = make_runner({1: 0.004, 2: 0.005, 4: 0.006, 8: 0.04}, frame_s=FRAME_S)
    contexts = {shape.context for shape in fake.recorded if shape.slots == 8}
    assert {shape.context for shape in fake.recorded if shape.slots == 6} == contexts
    assert driver.runner.slots == 6


def test_slots_that_are_named_are_all_kept(make_runner: MakeRunner) -> None:
    assert make_runner({})[0].runner.slots == 8


def test_live_graphs_are_bounded_and_the_one_used_longest_ago_goes_when_no_song_runs(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, fake = make_runner({})
    graphs, boot = driver.runner._graphs, len(fake.recorded)
    graphs.live_limit = 1
    monkeypatch.setattr("worker.engine.runners.cuda_graphs.LIVE_PAUSE", 0)

    def run(**changes: float) -> list[tuple[int, bool]]:
        """Run a sequence alone, and return the halves and the sampling of the live graphs then."""
        driver.run_to_end(driver.new_sequence(LIVE_AFTER + 5, **changes))
        assert len(fake.recorded) - boot <= 3
        return [(shape.halves, shape.sorts) for shape in graphs._live]

    assert run(top_p=0.9) == [(2, True)]
    assert run(guidance_scale=1.0) == [(2, True)]  # no space: it goes on without a graph
    assert run(guidance_scale=1.0) == [(1, False)]
    assert run(guidance_scale=1.0) == [(1, False)]
    assert run(guidance_scale=1.0, top_p=0.9) == [(1, False)]
    assert run(top_k=0) == []  # space was made, and this shape is one of boot's
