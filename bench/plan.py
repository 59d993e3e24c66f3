"""Order and time the runs of a benchmark as long as the time lasts, and show progress.

Runs come in order of importance: first each peer and each case that a figure is promised for, then the single requests
and the peers again in the other order, then everything else. A run that would not end in time is left out, and
said so.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.arena import ContestantFailed
from worker.engine.core.types import Precision

BY_WEIGHT: tuple[Precision, ...] = ("int8", "bf16", "fp16", "fp32")  # from the lightest
TICK_S = 0.5
UNKNOWN_S = 30.0  # the guess for a case of which nothing is known
EACH_MORE = 0.25  # of one song's time, for each song beside it: songs share the weights that a step reads
PATIENCE, SHORTEST_PATIENCE_S = 5.0, 60.0  # a run that takes so many times its estimate hangs
SHORTEST_S = 0.5  # of a clip
REFERENCE_SHARE = 1 / 9  # of the time: what comes first, in turns, takes some seven times as long as its clip
GRACE_S = 10.0  # for a run that began in time


@dataclass(frozen=True)
class Run:
    """Hold what one run took."""

    seconds: float
    step_ms: float | None  # of a decode step


@dataclass
class Case:
    """Describe one row of the table. `run` makes a batch of so many seconds, in so many seconds at most.

    It raises ContestantFailed for a contestant that dies or takes longer.
    """

    contestant: str  # audiocraft, transformers, ..., ostinato
    precision: Precision
    kv_precision: Precision
    batch_size: int
    run: Callable[[float, float], Run]
    seconds: list[float] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.contestant} {self.precision}, {self.batch_size} song{'s' if self.batch_size > 1 else ''}"


class Plan:
    """Time every case of `order` with `run()`, perhaps several times, within `budget_s`. 0: whatever it takes."""

    def __init__(self, order: list[Case], budget_s: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._order = order
        self._budget_s = budget_s
        self._clock = clock
        self._began_at = clock()
        self.left_out: dict[str, str] = {}  # case -> why

    def run(self, duration_s: float, console: Console) -> None:
        with _bar(console, self._elapsed) as say:
            for number, case in enumerate(self._order):
                wanted_s = self.estimate(case)
                if self._budget_s and self._elapsed() + wanted_s > self._budget_s:
                    if not case.seconds:
                        self.left_out[case.name] = f"about {wanted_s:.0f} s, which the time did not allow"
                    continue
                left_s = sum(self.estimate(later) for later in self._order[number:])
                end_s = self._elapsed() + left_s
                say(f"{number + 1}/{len(self._order)} {case.name}", min(end_s, self._budget_s or end_s))
                self._run(case, duration_s, wanted_s)

    def _run(self, case: Case, duration_s: float, wanted_s: float) -> None:
        patience_s = max(SHORTEST_PATIENCE_S, PATIENCE * wanted_s)
        if self._budget_s:
            patience_s = min(patience_s, self._budget_s - self._elapsed() + GRACE_S)
        try:
            run = case.run(duration_s, patience_s)
        except ContestantFailed as error:
            self.left_out[case.name] = f"{'a later run: ' if case.seconds else ''}{error}"
            return
        case.seconds.append(run.seconds)
        if run.step_ms is not None:
            case.step_ms.append(run.step_ms)
        self.left_out.pop(case.name, None)

    def estimate(self, case: Case) -> float:
        """Estimate the seconds: as before, or by the nearest case of the same engine, each song more a share longer.

        Of a precision that has not run, as in another one.
        """
        if case.seconds:
            return statistics.median(case.seconds)
        known = [c for c in self._order if c.seconds]
        own = [c for c in known if c.contestant == case.contestant]
        if not own:
            return max((statistics.median(c.seconds) for c in known if c.batch_size == 1), default=UNKNOWN_S)
        alike = [c for c in own if c.precision == case.precision] or own
        nearest = min(alike, key=lambda c: abs(c.batch_size - case.batch_size))
        return statistics.median(nearest.seconds) * max(1.0, _cost(case.batch_size) / _cost(nearest.batch_size))

    def _elapsed(self) -> float:
        return self._clock() - self._began_at


def clip_length(reference_s: float, left_s: float, longest_s: float) -> float:
    """Choose the seconds of a clip, in halves, such that what is promised fits into `left_s` (0: whatever it takes).

    The reference takes `reference_s` for each second of music; 0 where it is not known.
    """
    if not left_s or not reference_s:
        return longest_s
    return min(longest_s, max(SHORTEST_S, int(2 * REFERENCE_SHARE * left_s / reference_s) / 2))


def _cost(batch_size: int) -> float:
    return 1.0 + EACH_MORE * (batch_size - 1)


def in_order(peers: list[Case], own: list[Case], promised: tuple[int, ...]) -> list[Case]:
    """Order the cases: each peer and each single song twice, between them as many songs as a figure is promised for.

    `promised`: numbers of clips that come first, the smallest in every precision, the others in the one that has the
    smallest weights. The reference is the first of the peers; there may be none.
    """
    single = [case for case in own if case.batch_size == min(promised)]
    larger = sorted(
        (case for case in own if case.batch_size in promised and case not in single),
        key=lambda case: BY_WEIGHT.index(case.precision),
    )
    many = [case for case in larger if case.precision == larger[0].precision]
    others = [case for case in larger if case not in many]
    others += sorted((case for case in own if case.batch_size not in promised), key=lambda case: case.batch_size)
    return [*peers, *single, *many, *single[::-1], *peers[::-1], *others, *peers[:1], *single, *many, *larger[::-1]]


@contextmanager
def _bar(console: Console, elapsed: Callable[[], float]) -> Iterator[Callable[[str, float], None]]:
    """Yield what tells the bar what runs now and when, in seconds since the start, all will be done."""
    columns = (TextColumn("{task.description:32}"), BarColumn(30), TimeElapsedColumn(), TextColumn("left"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)
    task, done = bar.add_task("", total=1.0), threading.Event()

    def tick() -> None:
        while not done.wait(TICK_S):
            bar.update(task, completed=elapsed())

    def say(what: str, end_s: float) -> None:
        bar.update(task, description=what, total=max(end_s, elapsed() + 1.0))
        if not console.is_terminal:
            console.print(f"{elapsed():6.0f} s  {what}, all done in about {max(0.0, end_s - elapsed()):.0f} s")

    threading.Thread(target=tick, name="bench-progress", daemon=True).start()
    with bar:
        yield say
    done.set()
