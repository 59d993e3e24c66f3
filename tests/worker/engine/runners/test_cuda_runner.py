"""The static cache and its runner, without graphs on the CPU; on a GPU, graphs against the same without them."""

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
from worker.engine.core.handle import Handle
from worker.engine.core.types import EngineRequest
from worker.engine.engine import BatchingEngine, pattern_of
from worker.engine.model.conditioning import Conditioner
from worker.engine.model.decoder import Decoder
from worker.engine.model.loading import load_musicgen
from worker.engine.model.memory import Capacity, slot_bytes
from worker.engine.runners.buckets import context_buckets, slot_buckets
from worker.engine.runners.cuda_runner import AHEAD, CudaRunner
from worker.engine.runners.cuda_step import SlotState, StepShape, run_step
from worker.engine.runners.sequence import Frames, Sequence
from worker.engine.runners.static_kv_cache import StaticKvCache

pytestmark = pytest.mark.slow

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


class Stage:
    """A slot runner of a checkpoint, driven by hand: no engine, no threads."""

    def __init__(self, folder: Path, slots: int, device: str = "cpu", exact: bool = False) -> None:
        self.model = load_musicgen(folder, device)
        self.decoder = Decoder(self.model.lm, "fp32" if device == "cpu" else "fp16")
        self.room = Capacity.of(self.model, pattern_of(self.model).steps(1500))
        self.runner = CudaRunner(self.decoder, self.room, slots, exact)
        self.shapes: list[object] = []
        run = self.runner._graphs.run
        self.runner._graphs.run = lambda shape: (self.shapes.append(shape), run(shape))[1]  # type: ignore[method-assign]

    def song(self, frames: int, **changes: object) -> Sequence:
        piece = EngineRequest(**{"prompt": "calm piano", "duration_s": frames / 50, **changes})  # type: ignore[arg-type]
        conditions = Conditioner(self.model).encode(piece)
        return Sequence(Handle(piece, frames), Frames(frames, 1500, 900), pattern_of(self.model), [conditions])

    def join(self, *songs: Sequence) -> None:
        for song in songs:
            self.runner.prefill(song, song.next_window())

    def play(self, *songs: Sequence) -> None:
        """To the end of the last one."""
        with torch.inference_mode(), self.runner.context():
            self.join(*songs)
            while left := [song for song in songs if not song.done]:
                for song, finite in self.runner.step(left):
                    assert finite
                    if song.done:
                        self.runner.release(song)

    def codes(self, song: Sequence) -> np.ndarray:
        return song.finished_codes().numpy()


@pytest.fixture
def stage(checkpoint: Callable[[str], Path]) -> Callable[..., Stage]:
    return lambda shape="text", slots=8, **options: Stage(checkpoint(shape), slots, **options)


@pytest.fixture(scope="module")
def engines(checkpoint: Callable[[str], Path]) -> Iterator[tuple[BatchingEngine, BatchingEngine]]:
    """By slots and by songs, neither exact."""
    made = tuple(BatchingEngine.load(checkpoint("text"), slots=8, runner=kind) for kind in ("slots", "songs"))
    yield made  # type: ignore[misc]
    for engine in made:
        engine.close()


def piece_number(number: int) -> EngineRequest:
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
def test_codes_are_those_of_the_runner_with_a_cache_for_each_song(
    engines: tuple[BatchingEngine, BatchingEngine], schedule: list[tuple[int, float]]
) -> None:
    """Whatever buckets the songs share on the way, and wherever they are moved."""
    slots, songs = engines
    handles = []
    for number, pause_s in schedule:
        handles.append((slots.submit(piece_number(number)), songs.submit(piece_number(number))))
        time.sleep(pause_s)
    for one, other in handles:
        assert np.array_equal(one.result().codes, other.result().codes)


def test_a_song_moves_down_when_the_others_have_left_and_its_codes_stay(stage: Callable[..., Stage]) -> None:
    alone, crowd = stage(), stage()
    expected = alone.song(30)
    alone.play(expected)
    last = crowd.song(30)
    crowd.play(*(crowd.song(length, seed=length) for length in (3, 4, 12, 12)), last)
    assert np.array_equal(crowd.codes(last), alone.codes(expected))
    buckets = [shape.slots for shape in crowd.shapes]  # type: ignore[attr-defined]
    assert buckets == sorted(buckets, reverse=True)
    assert set(buckets) == {8, 4, 1}
    assert {shape.slots for shape in alone.shapes} == {1}  # type: ignore[attr-defined]


def test_the_context_read_grows_by_buckets_and_the_codes_stay(stage: Callable[..., Stage]) -> None:
    growing, whole = stage(slots=1), stage(slots=1, exact=True)
    one, other = growing.song(280), whole.song(280)
    growing.play(one)
    whole.play(other)
    assert {shape.context for shape in growing.shapes} == {256, 512}  # type: ignore[attr-defined]
    assert {shape.context for shape in whole.shapes} == {whole.room.positions}  # type: ignore[attr-defined]
    assert np.array_equal(growing.codes(one), whole.codes(other))


def test_the_null_half_is_computed_only_while_some_song_needs_it(stage: Callable[..., Stage]) -> None:
    songs = stage()
    plain, guided = songs.song(12, guidance_scale=1.0), songs.song(4)
    songs.play(plain, guided)
    halves = [shape.halves for shape in songs.shapes]  # type: ignore[attr-defined]
    assert halves == [2] * 7 + [1] * 8  # 4 frames are 7 steps, 12 are 15


def test_outcomes_follow_a_few_steps_later_and_a_slot_is_free_before_its_last_one(stage: Callable[..., Stage]) -> None:
    songs = stage()
    song = songs.song(2)  # 5 steps
    with torch.inference_mode():
        songs.join(song)
        assert [len(songs.runner.step([song])) for _ in range(AHEAD)] == [0] * AHEAD
        assert song.decoded == 0
        assert [len(songs.runner.step([song])) for _ in range(5 - AHEAD)] == [1] * (5 - AHEAD)
        assert songs.runner.held == 0
        assert not song.done
        assert len(songs.runner.step([song])) == AHEAD
    assert song.done


def test_what_is_on_its_way_for_a_song_that_has_left_is_nobodys(stage: Callable[..., Stage]) -> None:
    songs = stage()
    gone, stays = songs.song(10), songs.song(10)
    with torch.inference_mode():
        songs.join(gone, stays)
        for _ in range(AHEAD):
            songs.runner.step([gone, stays])
        songs.runner.release(gone)
        assert songs.runner.held == 1
        assert [song is stays for song, _ in songs.runner.step([stays])] == [True]
    assert gone.decoded == 0


def test_songs_that_are_not_stepped_stay_where_they_are(stage: Callable[..., Stage]) -> None:
    songs, alone = stage(), stage()
    first, second, expected = songs.song(8), songs.song(8, seed=3), alone.song(8)
    with torch.inference_mode():
        songs.join(first, second)
        for stepped in ([first, second], [second], [second, first], [second]):
            songs.runner.step(stepped)
        while not (first.done and second.done):
            songs.runner.step([first, second])
    alone.play(expected)
    assert np.array_equal(songs.codes(first), alone.codes(expected))


def test_a_slot_takes_what_the_formula_says(stage: Callable[..., Stage]) -> None:
    for shape in ("text", "tiny"):
        made = stage(shape, slots=3)
        runner, decoder = made.runner, made.decoder
        held = runner._cache._own.nbytes + runner._cache._text.nbytes + runner._state.tokens.nbytes
        logits = 10 * decoder.codebooks * decoder.card * 4
        assert held == 3 * (slot_bytes(decoder, made.room) - logits)


def test_a_prompt_longer_than_the_room_for_it_is_refused_by_name(stage: Callable[..., Stage]) -> None:
    songs = stage("tiny", slots=1)
    with torch.inference_mode(), pytest.raises(InvalidRequest, match=r"prompt: is too long .* shorten it"):
        songs.join(songs.song(5, prompt="piano " * 900))
    assert songs.runner.held == 0
    songs.play(songs.song(5))


def test_buckets_double_up_to_all_slots_and_contexts_grow_evenly_up_to_all_positions() -> None:
    assert slot_buckets(1, exact=False) == [1]
    assert slot_buckets(8, exact=False) == [1, 2, 4, 8]
    assert slot_buckets(24, exact=False) == [1, 2, 4, 8, 16, 24]
    assert slot_buckets(24, exact=True) == [24]
    assert context_buckets(600, exact=False) == [256, 512, 600]
    assert context_buckets(512, exact=False) == [256, 512]
    assert context_buckets(600, exact=True) == [600]


class Overseer(TorchDispatchMode):
    """Fails at an operation that would move a tensor between host and device, or ask the device for a value."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert not str(func).startswith("aten.where.Scalar"), f"{func} copies its number to the device, and waits"
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, made)):
            assert not isinstance(value, torch.Tensor) or value.device.type == "meta", f"{func} touches the host"
        return made


@pytest.mark.parametrize("shape", ["text", "tiny"])
def test_nothing_in_a_step_waits_for_the_host_or_needs_it(checkpoint: Callable[[str], Path], shape: str) -> None:
    """On a device without memory or values, where asking for one raises: what a graph can hold."""
    model = load_musicgen(checkpoint(shape))
    room = Capacity.of(model, 104)
    decoder = Decoder(model.lm.to("meta"), "fp16")
    cache, state = StaticKvCache(decoder, 4, room), SlotState(4, decoder.codebooks, 105, decoder.device)
    with torch.inference_mode(), Overseer():
        for halves, sorts in ((2, False), (1, True)):
            run_step(decoder, cache, state, StepShape(2, room.positions, min(64, room.text), halves, sorts))


@needs_cuda
@pytest.mark.parametrize("shape", ["text", "tiny"])
def test_graphs_replay_what_the_same_steps_do_without_them(stage: Callable[..., Stage], shape: str) -> None:
    made = []
    for captures in (True, False):
        songs = stage(shape, slots=4, device="cuda")
        songs.runner._graphs.captures = captures
        crowd = [songs.song(length, seed=length) for length in (5, 20, 40)]
        songs.play(*crowd)
        made.append([songs.codes(song) for song in crowd])
    assert all(np.array_equal(one, other) for one, other in zip(*made, strict=True))
