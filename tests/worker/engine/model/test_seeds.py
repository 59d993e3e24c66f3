"""A separation's random draws are its own: other threads' draws do not change them, nor they those of others."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.conditioning import Conditioner
from worker.engine.model.seeds import SeededRandom, melody_seeded

pytestmark = pytest.mark.slow

NOISE = np.random.default_rng(0).normal(0, 0.2, 32_000).astype(np.float32)


@pytest.fixture
def drawing_threads() -> Iterator[None]:
    """Threads that draw from Python's `random` all the time, as retries with jitter do."""
    enough = threading.Event()

    def draw() -> None:
        while not enough.wait(0.0002):
            random.seed(random.getrandbits(20))

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(draw)
        yield
        enough.set()


@pytest.mark.usefixtures("drawing_threads")
def test_a_melody_gives_the_same_chroma_whatever_the_seed_while_other_threads_draw(
    published_melody: AudiocraftEngine,
) -> None:
    conditioner, melody = Conditioner(published_melody._model), published_melody._model.lm.condition_provider
    compute = melody.conditioners["self_wav"]._compute_wav_embedding

    def chroma(seed: int) -> torch.Tensor:
        compute._kept.clear()  # so that each is separated
        return conditioner.encode(EngineRequest("jazz", 1.0, melody=NOISE, seed=seed)).prefix

    with ThreadPoolExecutor(2) as pool:
        first, *others = pool.map(chroma, [1, 2, 3])
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.usefixtures("drawing_threads")
def test_both_engines_make_the_same_of_a_melody_while_other_threads_draw(
    published_melody: AudiocraftEngine, make_request: Callable[..., EngineRequest]
) -> None:
    asked = make_request(melody=NOISE, temperature=0.0, seed=5)
    batching = ContinuousBatchingEngine(published_melody._model, published_melody.info, slots=1)
    batching.start()
    codes = [engine.submit(asked).result().codes for engine in (published_melody, batching, published_melody, batching)]
    batching.close()
    assert all(np.array_equal(codes[0], made) for made in codes)


def test_a_thread_that_separates_draws_from_its_seed_and_leaves_random_alone() -> None:
    draws = SeededRandom()
    expected = random.Random(7).randint(0, 22_050)
    random.seed(1)
    after = random.Random(1).random()
    with melody_seeded(7), melody_seeded(7):
        assert draws.randint(0, 22_050) == expected
    assert draws.random() == after
