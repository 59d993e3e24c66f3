"""The CUDA runner and its static cache: without graphs on the CPU; on a GPU, graphs against the same steps without."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shared.errors import InvalidRequest
from tests.worker.engine.runners.driver import RunnerDriver
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.decoder import Decoder
from worker.engine.model.loading import load_musicgen
from worker.engine.model.memory import Capacity, slot_bytes
from worker.engine.runners.buckets import context_buckets, slot_buckets
from worker.engine.runners.cuda_runner import AHEAD
from worker.engine.runners.cuda_step import SlotState, StepShape, run_step
from worker.engine.runners.static_kv_cache import StaticKvCache

pytestmark = pytest.mark.slow

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


@pytest.fixture
def make_driver(checkpoint: Callable[[str], Path]) -> Callable[..., RunnerDriver]:
    return lambda shape="text", slots=8, **options: RunnerDriver(checkpoint(shape), slots, **options)


@pytest.fixture(scope="module")
def engines(checkpoint: Callable[[str], Path]) -> Iterator[tuple[ContinuousBatchingEngine, ContinuousBatchingEngine]]:
    """Load an engine with each runner, neither exact."""
    made = tuple(ContinuousBatchingEngine.load(checkpoint("text"), slots=8, runner=kind) for kind in ("cuda", "cpu"))
    yield made
    for engine in made:
        engine.close()


def request_number(number: int) -> EngineRequest:
    draw = random.Random(number)
    return EngineRequest(
        f"calm piano {number}" * draw.choice((1, 30)),
        draw.choice((0.1, 0.2, 0.4)),
        seed=number,
        temperature=draw.choice((0.0, 1.0)),
        top_k=draw.choice((20, 250, 300)),
        top_p=draw.choice((0.0, 0.9)),
        guidance_scale=draw.choice((0.0, 1.0, 3.0)),
    )


@settings(max_examples=settings.default.max_examples // 8, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedule=st.lists(st.tuples(st.integers(0, 15), st.floats(0, 0.01)), min_size=2, max_size=16))
def test_codes_equal_those_of_the_cpu_runner(
    engines: tuple[ContinuousBatchingEngine, ContinuousBatchingEngine], schedule: list[tuple[int, float]]
) -> None:
    """They are equal in whatever buckets the sequences share, and to whatever slots they are moved."""
    cuda, cpu = engines
    handles = []
    for number, pause_s in schedule:
        handles.append((cuda.submit(request_number(number)), cpu.submit(request_number(number))))
        time.sleep(pause_s)
    for one, other in handles:
        assert np.array_equal(one.result().codes, other.result().codes)


def test_a_sequence_moves_to_a_lower_slot_when_others_leave_and_its_codes_stay(
    make_driver: Callable[..., RunnerDriver],
) -> None:
    solo, batched = make_driver(), make_driver()
    expected = solo.new_sequence(30)
    solo.run_to_end(expected)
    last = batched.new_sequence(30)
    batched.run_to_end(*(batched.new_sequence(length, seed=length) for length in (3, 4, 12, 12)), last)
    assert np.array_equal(batched.codes(last), solo.codes(expected))
    buckets = [shape.slots for shape in batched.shapes]
    assert buckets == sorted(buckets, reverse=True)
    assert set(buckets) == {8, 4, 1}
    assert {shape.slots for shape in solo.shapes} == {1}


def test_the_context_read_grows_by_buckets_and_the_codes_stay(make_driver: Callable[..., RunnerDriver]) -> None:
    growing, full = make_driver(slots=1), make_driver(slots=1, exact=True)
    one, other = growing.new_sequence(280), full.new_sequence(280)
    growing.run_to_end(one)
    full.run_to_end(other)
    assert {shape.context for shape in growing.shapes} == {256, 512}
    assert {shape.context for shape in full.shapes} == {full.capacity.positions}
    assert np.array_equal(growing.codes(one), full.codes(other))


def test_the_null_half_is_computed_only_while_some_sequence_needs_it(make_driver: Callable[..., RunnerDriver]) -> None:
    driver = make_driver()
    plain, guided = driver.new_sequence(12, guidance_scale=1.0), driver.new_sequence(4)
    driver.run_to_end(plain, guided)
    halves = [shape.halves for shape in driver.shapes]
    assert halves == [2] * 7 + [1] * 8  # 4 frames are 7 steps, 12 are 15


def test_outcomes_follow_a_few_steps_later_and_a_slot_is_free_before_its_last_one(
    make_driver: Callable[..., RunnerDriver],
) -> None:
    driver = make_driver()
    sequence = driver.new_sequence(2)  # 5 steps
    with torch.inference_mode():
        driver.prefill(sequence)
        assert [len(driver.runner.step([sequence])) for _ in range(AHEAD)] == [0] * AHEAD
        assert sequence.decoded == 0
        assert [len(driver.runner.step([sequence])) for _ in range(5 - AHEAD)] == [1] * (5 - AHEAD)
        assert driver.runner.active == 0
        assert not sequence.done
        assert len(driver.runner.step([sequence])) == AHEAD
    assert sequence.done


def test_pending_outcomes_of_a_released_sequence_are_discarded(make_driver: Callable[..., RunnerDriver]) -> None:
    driver = make_driver()
    gone, stays = driver.new_sequence(10), driver.new_sequence(10)
    with torch.inference_mode():
        driver.prefill(gone, stays)
        for _ in range(AHEAD):
            driver.runner.step([gone, stays])
        driver.runner.release(gone)
        assert driver.runner.active == 1
        assert [sequence is stays for sequence, _ in driver.runner.step([stays])] == [True]
    assert gone.decoded == 0


def test_sequences_that_are_not_stepped_keep_their_state(make_driver: Callable[..., RunnerDriver]) -> None:
    driver, solo = make_driver(), make_driver()
    first, second, expected = driver.new_sequence(8), driver.new_sequence(8, seed=3), solo.new_sequence(8)
    with torch.inference_mode():
        driver.prefill(first, second)
        for stepped in ([first, second], [second], [second, first], [second]):
            driver.runner.step(stepped)
        while not (first.done and second.done):
            driver.runner.step([first, second])
    solo.run_to_end(expected)
    assert np.array_equal(driver.codes(first), solo.codes(expected))


def test_a_slot_takes_the_bytes_of_the_formula(make_driver: Callable[..., RunnerDriver]) -> None:
    for shape in ("text", "tiny"):
        made = make_driver(shape, slots=3)
        runner, decoder = made.runner, made.decoder
        cached = runner._cache._own.nbytes + runner._cache._text.nbytes + runner._state.tokens.nbytes
        logits = 10 * decoder.codebooks * decoder.card * 4
        assert cached == 3 * (slot_bytes(decoder, made.capacity) - logits)


def test_a_prompt_longer_than_the_capacity_is_refused_by_name(make_driver: Callable[..., RunnerDriver]) -> None:
    driver = make_driver("tiny", slots=1)
    with torch.inference_mode(), pytest.raises(InvalidRequest, match=r"prompt: is too long .* shorten it"):
        driver.prefill(driver.new_sequence(5, prompt="piano " * 900))
    assert driver.runner.active == 0
    driver.run_to_end(driver.new_sequence(5))


def test_buckets_double_up_to_all_slots_and_contexts_grow_evenly_up_to_all_positions() -> None:
    assert slot_buckets(1, exact=False) == [1]
    assert slot_buckets(8, exact=False) == [1, 2, 4, 8]
    assert slot_buckets(24, exact=False) == [1, 2, 4, 8, 16, 24]
    assert slot_buckets(24, exact=True) == [24]
    assert context_buckets(600, full=False) == [256, 512, 600]
    assert context_buckets(512, full=False) == [256, 512]
    assert context_buckets(600, full=True) == [600]


class HostAccessGuard(TorchDispatchMode):
    """Fail at an operation that would move a tensor between host and device, or ask the device for a value."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert not str(func).startswith("aten.where.Scalar"), f"{func} copies its number to the device, and waits"
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, made)):
            assert not isinstance(value, torch.Tensor) or value.device.type == "meta", f"{func} touches the host"
        return made


@pytest.mark.parametrize("shape", ["text", "tiny"])
def test_nothing_in_a_step_waits_for_the_host_or_needs_it(checkpoint: Callable[[str], Path], shape: str) -> None:
    """The step runs on a device without memory or values, where asking for one raises: so a graph can record it."""
    model = load_musicgen(checkpoint(shape))
    capacity = Capacity.of(model, 104)
    decoder = Decoder(model.lm.to("meta"), "fp16")
    cache, state = StaticKvCache(decoder, 4, capacity), SlotState(4, decoder.codebooks, 105, decoder.device)
    with torch.inference_mode(), HostAccessGuard():
        for halves, sorts in ((2, False), (1, True)):
            run_step(decoder, cache, state, StepShape(2, capacity.positions, min(64, capacity.text), halves, sorts))


@needs_cuda
@pytest.mark.parametrize("shape", ["text", "tiny"])
def test_graphs_replay_what_the_same_steps_do_without_them(
    make_driver: Callable[..., RunnerDriver], shape: str
) -> None:
    made = []
    for captures in (True, False):
        driver = make_driver(shape, slots=4, device="cuda")
        driver.runner._graphs.captures = captures
        batched = [driver.new_sequence(length, seed=length) for length in (5, 20, 40)]
        driver.run_to_end(*batched)
        made.append([driver.codes(sequence) for sequence in batched])
    assert all(np.array_equal(one, other) for one, other in zip(*made, strict=True))
