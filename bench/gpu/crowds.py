"""Measure the whole engine with many songs (`measure_crowds`, `measure_strange`, `measure_melodies`)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.gpu.correctness import ALWAYS, prove
from bench.gpu.steps import Check
from bench.report import describe_traffic, traffic_share
from bench.shapes import SHAPES, random_musicgen
from bench.traffic import StepTimes, run_traffic
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.delay_pattern import pattern_of
from worker.engine.model.info import describe
from worker.engine.selfcheck.due_check import DueCheck

SLOTS_ON_CPU = 2
TOGETHER, STAGGERED = (1, 16, 64, 128), (16, 64, 128)
TOGETHER_S, STAGGERED_S, STREAMED_S = 10.0, 30.0, 10.0
SECONDS_ON_CPU = 0.5
AT_MOST_S = 15.0  # for each number of staggered songs
NEEDS_S = 25.0  # to begin another crowd
STRANGE, STRANGE_ON_CPU = 60, 3
GAP_S = 0.02  # between two of them
MELODIES = 8


@contextmanager
def open_engine(check: Check, *, melody: bool = False) -> Iterator[tuple[ContinuousBatchingEngine, MusicGen]]:
    """Give an engine with random weights that has proved itself."""
    name, device = check.shape, check.device
    model = random_musicgen(name, device.name, melody=melody)
    due = DueCheck.of(model, pattern_of(model), ALWAYS, "random")
    engine = ContinuousBatchingEngine(
        model, describe(model, "random", device.name), None, None if device.is_gpu else SLOTS_ON_CPU, runner="cuda"
    )
    engine._due_check = due
    engine.start()
    try:
        prove(check, engine)
        yield engine, model
    finally:
        engine.close()


def measure_crowds(check: Check) -> None:
    """Measure songs that start together, songs that join at random times, streams, and songs of every other kind."""
    with open_engine(check) as (engine, model):
        check.findings.measured(f"{check.shape}: {engine.slots} slots", slots=engine.slots)
        for kind, counts, seconds in (
            ("staggered", STAGGERED, STAGGERED_S),
            ("together", TOGETHER, TOGETHER_S),
            ("streams", (64,), STREAMED_S),
        ):
            for clips in sorted({min(engine.slots, count) for count in counts}):
                _measure(check, engine, kind, clips, seconds)
        measure_strange(check, engine)
    _measure_reference(check, model)


def _measure(check: Check, engine: ContinuousBatchingEngine, kind: str, clips: int, seconds: float) -> None:
    if check.left_s < NEEDS_S:
        check.findings.lacks(f"{clips} songs, {kind}", f"{check.left_s:.0f} s are left")
        return
    seconds = seconds if check.device.is_gpu else SECONDS_ON_CPU
    found = run_traffic(engine, kind, clips, seconds, AT_MOST_S).as_dict()
    precisions, speed = (engine.info.precision, engine.info.kv_precision), check.bandwidth_gb_s
    share = None if speed is None else traffic_share(SHAPES[check.shape], precisions, found, speed)
    sentence = describe_traffic(f"{clips} songs of {seconds:g} s, {kind}", found, share)
    check.findings.measured(sentence, **{f"{kind} {clips}": {**found, "share": share}})
    if found["failed"] or not engine.alive:
        check.findings.compared(f"{clips} songs, {kind}", engine.broken or f"{found['failed']} failed", good=False)


def measure_strange(check: Check, engine: ContinuousBatchingEngine) -> None:
    """Send songs of every kind: other samplings, long prompts, streams. Some graphs are captured meanwhile."""
    runner: Any = engine._runner
    graphs, free = len(runner._graphs._captured), check.device.free_gib()
    count, failures = STRANGE if check.device.is_gpu else STRANGE_ON_CPU, list[str]()
    began_at = time.perf_counter()
    with StepTimes(engine) as times:
        handles = []
        for number in range(count):
            handles.append(engine.submit(strange_request(number, check.device.is_gpu)))
            time.sleep(GAP_S)
        for handle in handles:
            try:
                handle.result()
            except Exception as error:
                failures.append(f"{type(error).__name__}: {str(error)[:100]}")
    longest, live = max(times.milliseconds, default=0.0), len(runner._graphs._captured) - graphs
    check.findings.measured(
        f"{count} strange songs in {time.perf_counter() - began_at:.1f} s: {live} graphs captured between steps, "
        f"{len(runner._graphs._refused)} refused, {free - check.device.free_gib():.2f} GiB for them; "
        f"the longest step {longest:.0f} ms",
        strange_longest_ms=longest,
        live_graphs=live,
    )
    sentence = f"{len(failures)} of {count} failed{': ' + failures[0] if failures else ''}; {engine.broken or 'alive'}"
    check.findings.compared("strange songs", sentence, good=not failures and engine.alive)


def strange_request(number: int, long: bool) -> EngineRequest:
    """Return one of many kinds of request."""
    return EngineRequest(
        "calm " * (90 if number % 3 == 0 else 1),
        1.0 + (number * 7 % 23) / 4 if long else 0.2,
        seed=number,
        top_p=0.9 if number % 4 == 1 else 0.0,
        guidance_scale=1.0 if number % 5 == 2 else 3.0,
        stream=number % 2 == 0,
    )


def measure_melodies(check: Check) -> None:
    """Measure songs with melodies, whose sources demucs separates first, in the size of the published htdemucs."""
    with open_engine(check, melody=True) as (engine, _):
        _measure(check, engine, "melodies", min(MELODIES if check.device.is_gpu else 1, engine.slots), TOGETHER_S)


def _measure_reference(check: Check, model: MusicGen) -> None:
    """Measure audiocraft's own loop, one song."""
    seconds = 2.0 if check.device.is_gpu else 0.1
    model.set_generation_params(duration=seconds)
    model.generate(["calm"])
    took, _ = check.device.once(lambda: model.generate(["calm"]))
    step_ms = 1000 * took / (seconds * 50)
    check.findings.measured(f"audiocraft's own loop, one song: {step_ms:.1f} ms a step", audiocraft_step_ms=step_ms)
