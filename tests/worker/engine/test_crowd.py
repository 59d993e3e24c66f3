"""Each request's codes are the same alone and in any company, by every kernel and in every precision."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.worker.engine.asking import MELODY, make_request
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.info import describe
from worker.engine.model.loading import load_musicgen
from worker.engine.native.loader import all_kernels

pytestmark = pytest.mark.slow


def options_of(number: int) -> dict[str, object]:
    """Return request number n's fields: fixed, and different in every parameter."""
    draw = random.Random(number)
    return {
        "prompt": f"calm piano {number}" * draw.choice((1, 3)),
        "duration_s": draw.choice((0.1, 0.2, 0.3)),
        "seed": number,
        "temperature": draw.choice((0.0, 0.7, 1.0, 1.3)),
        "top_k": draw.choice((0, 20, 250)),
        "top_p": draw.choice((0.0, 0.0, 0.9)),
        "guidance_scale": draw.choice((0.0, 1.0, 3.0, 5.0)),
        "melody": MELODY if draw.random() < 0.3 else None,
    }


@pytest.fixture(scope="module")
def exact(checkpoint: Callable[[str], Path]) -> Iterator[Callable[..., ContinuousBatchingEngine]]:
    """Exact engines, each by shape, runner and precision loaded once. Their window is short: a slot reads all of it."""
    loaded: dict[tuple[str, ...], ContinuousBatchingEngine] = {}

    def of(*key: str) -> ContinuousBatchingEngine:
        if key not in loaded:
            shape, runner, precision, kernels_name = key
            model = load_musicgen(checkpoint(shape))
            model.max_duration = 1.0
            info = describe(model, "random", "cpu")
            options = {"exact": True, "runner": runner, "kernels_name": kernels_name or None}
            loaded[key] = ContinuousBatchingEngine(model, info, precision, slots=8, **options)
            loaded[key].start()
        return loaded[key]

    yield of
    for engine in loaded.values():
        engine.close()


@pytest.fixture(scope="module")
def solo(exact: Callable[..., ContinuousBatchingEngine]) -> Callable[..., np.ndarray]:
    """Return the codes of request number n decoded alone, once."""
    cached: dict[tuple[object, ...], np.ndarray] = {}

    def codes(shape: str, number: int, *engine: str) -> np.ndarray:
        key = (shape, number, *engine)
        if key not in cached:
            cached[key] = exact(shape, *engine).submit(make_request(**choice(shape, number))).result().codes
        return cached[key]

    return codes


def choice(shape: str, number: int) -> dict[str, object]:
    options = options_of(number)
    return options if shape == "tiny" else {**options, "melody": None}


# At small's true width all products are those that a real model has, by each of this CPU's kernels. Byte products
# differ in int8 alone.
EVERY_KERNEL = [
    ("wide", "cpu", precision, kernels.name)
    for kernels in all_kernels()
    for precision in (("int8",) if kernels.name == "avx512-vnni" else ("fp32", "bf16", "int8"))
]


@pytest.mark.crowd
@pytest.mark.parametrize(
    ("shape", "runner", "precision", "kernels_name"),
    [
        ("text", "cpu", "fp32", ""),
        ("text", "cpu", "int8", ""),
        ("tiny", "cpu", "fp32", ""),
        ("text", "cpu", "fp32", "torch"),
        ("text", "cpu", "int8", "torch"),
        ("text", "cuda", "fp32", ""),
        ("tiny", "cuda", "fp32", ""),
        ("text", "cuda", "bf16", ""),
        *EVERY_KERNEL,
    ],
)
@settings(max_examples=settings.default.max_examples // 8, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedule=st.lists(st.tuples(st.integers(0, 15), st.floats(0, 0.01)), min_size=2, max_size=12))
def test_a_requests_codes_are_bitwise_the_same_solo_and_in_a_batch(
    exact: Callable[..., ContinuousBatchingEngine],
    solo: Callable[..., np.ndarray],
    shape: str,
    runner: str,
    precision: str,
    kernels_name: str,
    schedule: list[tuple[int, float]],
) -> None:
    engine = exact(shape, runner, precision, kernels_name)
    handles = []
    for number, pause_s in schedule:
        handles.append((number, engine.submit(make_request(**choice(shape, number)))))
        time.sleep(pause_s)
    for number, handle in handles:
        assert np.array_equal(handle.result().codes, solo(shape, number, runner, precision, kernels_name))
