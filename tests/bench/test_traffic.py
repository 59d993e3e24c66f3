"""Traffic for an engine: what is measured is what was made, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.shapes import random_musicgen
from bench.traffic import StepTimes, run_traffic
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model.info import describe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine() -> Iterator[ContinuousBatchingEngine]:
    model = random_musicgen("tiny")
    engine = ContinuousBatchingEngine(model, describe(model, "random", "cpu"), slots=3, runner="cuda")
    engine.start()
    yield engine
    engine.close()


def test_songs_that_start_together_are_made_whole(engine: ContinuousBatchingEngine) -> None:
    found = run_traffic(engine, "together", 3, 0.2)
    assert (found.clips, found.failed) == (3, 0)
    assert found.audio_s_per_s == pytest.approx(3 * 0.2 / found.seconds)
    assert found.row_positions is not None
    assert 6 < found.row_positions < 3 * 2 * 14  # three songs of two rows, 13 steps each


def test_songs_that_join_are_at_different_steps_and_followed_by_others(engine: ContinuousBatchingEngine) -> None:
    sent: list[EngineRequest] = []
    submit = engine.submit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "submit", lambda request: (sent.append(request), submit(request))[1])
        found = run_traffic(engine, "staggered", 3, 0.6)
    begun = {0 if request.continue_codes is None else request.continue_codes.shape[1] for request in sent[:3]}
    assert len(begun) == 3
    assert len(sent) >= 6
    assert found.audio_s_per_s > 0
    assert engine._runner.active == 0


def test_each_stream_is_listened_to(engine: ContinuousBatchingEngine) -> None:
    found = run_traffic(engine, "streams", 2, 0.6)
    assert found.first_chunk_s is not None
    assert 0 < found.first_chunk_s <= found.seconds
    assert found.behind_s is not None
    assert found.behind_s >= 0


def test_a_song_that_fails_is_counted_and_makes_no_music(engine: ContinuousBatchingEngine) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine._runner, "prefill", lambda *_: (_ for _ in ()).throw(ValueError("broken")))
        found = run_traffic(engine, "together", 2, 0.1)
    assert (found.failed, found.audio_s_per_s, found.step_ms) == (2, 0.0, None)


def test_waiting_for_a_song_is_no_step(engine: ContinuousBatchingEngine) -> None:
    with StepTimes(engine) as times:
        for _ in range(2):
            engine.submit(EngineRequest("calm", 0.1)).result()
    assert len(times.milliseconds) == times.sequence_steps
    assert "step" not in vars(engine._runner)
    one_clip = times.sequence_steps / 2
    assert one_clip == int(one_clip)
