"""Combined reads: one at a time, none older than its question, and no caller left waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from api.services.combined_reads import KEYS_AT_MOST, ReadCombiner
from shared.errors import BrokerUnavailable

PATIENCE_S = 10.0


def until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.002)


class Source:
    """What is read: each read stays open until the test lets it go, and notes its keys."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.version = 0
        self.error: Exception | None = None
        self.gate = threading.Semaphore(0)

    def read(self, keys: Sequence[str]) -> Mapping[str, str]:
        version = self.version
        self.reads.append(list(keys))
        assert self.gate.acquire(timeout=PATIENCE_S)
        if self.error is not None:
            raise self.error
        return {key: f"{key}@{version}" for key in keys}


class Caller(threading.Thread):
    """Somebody who asks for a key."""

    def __init__(self, combiner: ReadCombiner[str, str], key: str) -> None:
        super().__init__(daemon=True)
        self._combiner, self._key = combiner, key
        self.value: str | None = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self._combiner.get(self._key)
        except BrokerUnavailable as error:
            self.error = error

    def answer(self) -> str | None:
        self.join(PATIENCE_S)
        assert not self.is_alive(), "nobody answered it"
        return self.value


@pytest.fixture
def source() -> Source:
    return Source()


@contextmanager
def reading(combiner: ReadCombiner[str, str], source: Source, key: str) -> Iterator[Caller]:
    """While one read is under way."""
    caller = Caller(combiner, key)
    until(lambda: len(source.reads) == 1)
    yield caller


def pending(combiner: ReadCombiner[str, str], count: int) -> None:
    until(lambda: len(combiner._pending) == count)


def test_all_who_ask_during_a_read_share_the_next_one(source: Source) -> None:
    combiner = ReadCombiner(source.read)
    with reading(combiner, source, "a") as first:
        others = [Caller(combiner, key) for key in "abcb"]
        pending(combiner, 4)
        source.gate.release(2)
    assert first.answer() == "a@0"
    assert sorted(str(each.answer()) for each in others) == ["a@0", "b@0", "b@0", "c@0"]
    assert [sorted(keys) for keys in source.reads] == [["a"], ["a", "b", "c"]]


def test_an_answer_is_never_older_than_its_question(source: Source) -> None:
    combiner = ReadCombiner(source.read)
    with reading(combiner, source, "a"):
        source.version = 1  # it changes while it is read, and whoever asks from now on must see that
        late = Caller(combiner, "a")
        pending(combiner, 1)
        source.gate.release(2)
    assert late.answer() == "a@1"


def test_a_read_has_at_most_so_many_keys_and_the_rest_follows(source: Source) -> None:
    combiner = ReadCombiner(source.read)
    with reading(combiner, source, "first"):
        others = [Caller(combiner, str(n)) for n in range(KEYS_AT_MOST + 1)]
        pending(combiner, KEYS_AT_MOST + 1)
        source.gate.release(3)
    assert sorted(str(each.answer()) for each in others) == sorted(f"{n}@0" for n in range(KEYS_AT_MOST + 1))
    assert [len(keys) for keys in source.reads] == [1, KEYS_AT_MOST, 1]


def test_a_failure_is_everybodys_who_waits_and_the_next_caller_reads_again(source: Source) -> None:
    combiner = ReadCombiner(source.read)
    source.error = BrokerUnavailable("away")
    with reading(combiner, source, "a") as first:
        others = [Caller(combiner, key) for key in "bc"]
        pending(combiner, 2)
        source.gate.release()
    assert [each.answer() for each in (first, *others)] == [None] * 3
    assert all(isinstance(each.error, BrokerUnavailable) for each in (first, *others))
    source.error = None
    source.gate.release()
    assert Caller(combiner, "d").answer() == "d@0"


@pytest.mark.parametrize("victim", ["a", "b", "c"])
@pytest.mark.parametrize("while_reading", ["a", "b"])
def test_a_killed_greenlet_keeps_nobody_else_waiting(
    victim: str, while_reading: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under gevent a caller can be stopped anywhere: the one that reads, that is to read next, that waits."""
    monkeypatch.setattr("api.services.combined_reads.threading", SimpleNamespace(Lock=BoundedSemaphore, Event=Event))
    monkeypatch.setattr("api.services.combined_reads.time", SimpleNamespace(sleep=gevent.sleep))
    monkeypatch.setattr("api.services.combined_reads.KEYS_AT_MOST", 1)
    reads: list[str] = []
    gate = Event()

    def read(keys: Sequence[str]) -> dict[str, str]:
        reads.extend(keys)
        if keys[0] == while_reading:
            gate.wait()
        return {key: f"{key}!" for key in keys}

    combiner = ReadCombiner(read)
    greenlets = {key: gevent.spawn(combiner.get, key) for key in "abc"}
    while while_reading not in reads:
        gevent.sleep(0)
    greenlets[victim].kill()
    gate.set()
    gevent.joinall(list(greenlets.values()), timeout=PATIENCE_S)
    stopped = {victim} - ({"a"} if while_reading == "b" else set())  # that one has its answer by then
    assert [each.value for key, each in greenlets.items() if key not in stopped] == [
        f"{key}!" for key in greenlets if key not in stopped
    ]


def test_one_that_is_killed_when_it_is_its_turn_to_read_hands_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.services.combined_reads.threading", SimpleNamespace(Lock=BoundedSemaphore, Event=Event))
    monkeypatch.setattr("api.services.combined_reads.time", SimpleNamespace(sleep=lambda _: None))
    gate = Event()

    def read(keys: Sequence[str]) -> dict[str, str]:
        gate.wait()
        return {key: f"{key}!" for key in keys}

    combiner = ReadCombiner(read)
    first, second, third = (gevent.spawn(combiner.get, key) for key in "abc")
    gevent.sleep(0)
    gate.set()
    first.join(PATIENCE_S)  # it has woken the second, which has not run since
    second.kill()
    third.join(PATIENCE_S)
    assert third.value == "c!"
