"""Send songs to an engine as people do, and measure its steps meanwhile (`run_traffic`).

together   all at once, and nothing after them
staggered  as many as are asked for at any time, each somewhere in its music: who ends is followed by another
streams    all at once, each listened to chunk by chunk
melodies   all at once, each with a melody of its own
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from worker.engine.core.handle import Handle
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine

PROMPT = "calm piano with soft strings"
POLL_S = 0.002
MELODY_S, MELODY_RATE_HZ = 10.0, 32_000
JOINING = ("waiting", "conditioning")  # the stages before a song's first step
LAST_SHARE = 0.9  # of a staggered song's length that may be over when it is sent


class StepTimes:
    """Measure a runner's steps, in a `with`: the time from one to the next, where some song takes part in both.

    So what else a song waits for counts too: others' prefills, the codec, a graph's capture.
    """

    def __init__(self, engine: ContinuousBatchingEngine) -> None:
        self._runner: Any = engine._runner
        self._step: Callable[..., Any] = self._runner.step
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.milliseconds: list[float] = []
        self.sequence_steps = 0  # of all songs together
        self.row_positions = 0  # that they had to attend to, of both halves
        self._last_at = 0.0
        self._last: frozenset[Any] = frozenset()

    def __enter__(self) -> Self:
        self._runner.step = self._timed
        return self

    def __exit__(self, *_: object) -> None:
        del self._runner.step  # the class's own again

    def _timed(self, sequences: Collection[Any]) -> Any:
        now, here = time.perf_counter(), frozenset(sequences)
        if not here.isdisjoint(self._last):
            self.milliseconds.append(1000 * (now - self._last_at))
            self.sequence_steps += len(here)
            self.row_positions += sum(sequence.step * sequence.halves for sequence in here)
        self._last_at, self._last = now, here
        return self._step(sequences)


@dataclass(frozen=True)
class TrafficFigures:
    """Hold what was measured. Without a figure it is None."""

    clips: int
    failed: int
    seconds: float
    audio_s_per_s: float  # seconds of music made in each second
    step_ms: float | None  # the median
    step_p99_ms: float | None
    longest_ms: float | None
    row_positions: float | None  # attended to in a step, on average, of all rows
    first_chunk_s: float | None = None  # the median of the streams
    behind_s: float | None = None  # the most that a stream's listener had to wait in the midst of the music
    conditioning_s: float | None = None  # of a song

    def as_dict(self) -> dict[str, float | None]:
        """Return the figures, rounded, for JSON."""
        return {name: None if value is None else round(value, 4) for name, value in asdict(self).items()}


def run_traffic(
    engine: ContinuousBatchingEngine, kind: str, clips: int, duration_s: float, at_most_s: float = 60.0
) -> TrafficFigures:
    """Send that many songs of so many seconds. `at_most_s` bounds what has no end of its own, staggered songs."""
    with StepTimes(engine) as times:
        if kind == "staggered":
            return _staggered(engine, times, clips, duration_s, at_most_s)
        requests = [_request(seed, duration_s, kind) for seed in range(clips)]
        began_at = time.perf_counter()
        handles = [engine.submit(request) for request in requests]
        more: dict[str, float] = {}
        if kind == "streams":
            more = _listen_to_all(handles, began_at, engine.info.sample_rate_hz)
        if kind == "melodies":
            more = {"conditioning_s": _joined_s(handles, began_at) / clips}
        failed = sum(_failed(handle) for handle in handles)
        seconds = time.perf_counter() - began_at
        return _figures(times, clips, failed, seconds, (clips - failed) * duration_s / seconds, **more)


def _request(seed: int, duration_s: float, kind: str) -> EngineRequest:
    melody = None
    if kind == "melodies":
        at = np.arange(int(MELODY_S * MELODY_RATE_HZ)) / MELODY_RATE_HZ
        melody = (0.3 * np.sin(2 * np.pi * 110 * 2 ** (seed % 24 / 12) * at)).astype(np.float32)
    return EngineRequest(
        PROMPT, duration_s, seed=seed, stream=kind == "streams", melody=melody, melody_rate_hz=MELODY_RATE_HZ
    )


def _staggered(
    engine: ContinuousBatchingEngine, times: StepTimes, clips: int, duration_s: float, at_most_s: float
) -> TrafficFigures:
    """Measure from when all songs run until as many have ended."""
    draw, rate_hz, codebooks = np.random.default_rng(0), engine.info.frame_rate_hz, len(engine._pattern.delays)
    handles, failed, ended = list[Handle](), 0, 0
    for seed in range(clips):
        known = np.zeros((codebooks, int(draw.uniform(0, LAST_SHARE) * duration_s * rate_hz)), np.int64)
        begun = known if known.shape[1] else None
        handles.append(engine.submit(EngineRequest(PROMPT, duration_s, seed=seed, continue_codes=begun)))
    _joined_s(handles, 0.0)
    times.clear()
    began_at = time.perf_counter()
    while ended < clips and time.perf_counter() - began_at < at_most_s:
        for number, handle in enumerate(handles):
            if handle.done:
                ended, failed = ended + 1, failed + _failed(handle)
                handles[number] = engine.submit(EngineRequest(PROMPT, duration_s, seed=clips + ended))
        time.sleep(POLL_S)
    seconds, made_s = time.perf_counter() - began_at, times.sequence_steps / rate_hz
    found = _figures(times, clips, failed, seconds, made_s / seconds)
    for handle in handles:
        handle.cancel()
    for handle in handles:
        handle.wait()
    return found


def _joined_s(handles: list[Handle], began_at: float) -> float:
    """Wait until all have begun to be decoded; return how long after `began_at` that is."""
    while any(handle.progress.stage in JOINING and not handle.done for handle in handles):
        time.sleep(POLL_S)
    return time.perf_counter() - began_at


def _listen_to_all(handles: list[Handle], began_at: float, rate_hz: int) -> dict[str, float]:
    with ThreadPoolExecutor(len(handles)) as listeners:
        listened = listeners.map(lambda handle: _listen(handle, rate_hz), handles)
        listened_to = [found for found in listened if found is not None]
    if not listened_to:
        return {}
    first = float(np.median([first_at - began_at for first_at, _ in listened_to]))
    return {"first_chunk_s": first, "behind_s": max(behind for _, behind in listened_to)}


def _listen(handle: Handle, rate_hz: int) -> tuple[float, float] | None:
    """Return when the first chunk came, and how much later than its turn one of the others did; None for a failure."""
    first_at, heard_s, behind = 0.0, 0.0, 0.0
    with suppress(Exception):
        for chunk in handle.chunks():
            now = time.perf_counter()
            first_at = first_at or now
            behind = max(behind, now - first_at - heard_s)
            heard_s += chunk.shape[1] / rate_hz
    return (first_at, behind) if first_at else None


def _failed(handle: Handle) -> bool:
    try:
        handle.result()
    except Exception:
        return True
    return False


def _figures(
    times: StepTimes, clips: int, failed: int, seconds: float, audio_s_per_s: float, **more: float
) -> TrafficFigures:
    steps, count = times.milliseconds, len(times.milliseconds)
    median, p99 = (float(np.percentile(steps, share)) if steps else None for share in (50, 99))
    positions = times.row_positions / count if count else None
    longest = max(steps, default=None)
    return TrafficFigures(clips, failed, seconds, audio_s_per_s, median, p99, longest, positions, **more)
