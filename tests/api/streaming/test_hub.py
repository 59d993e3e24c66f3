"""Keep streams alive when a reader dies, a job cannot be read, or a lock is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

import pytest
import redis

from api.streaming.audio_hub import AudioHub, AudioSubscription
from api.streaming.event_hub import EventHub, EventSubscription, Notice, Outlook, Over
from api.streaming.shutdown import Shutdown
from shared.errors import Unavailable
from shared.jobs.audio_chunks import ChunkStore, Head
from shared.jobs.event_log import Entry, EventLog
from shared.jobs.job import Job, Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.stack.waiting import wait_for
from tests.submitting import submit_job

T = TypeVar("T")

IN_TIME_S = 20.0  # a deaf stream would wait for ever


def in_time(action: Callable[[], T]) -> T:
    """Return what it returns, or raise what it raises; a stream that stays silent fails its test."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(IN_TIME_S)


class MortalLog(EventLog):
    """Ends the thread that reads it, so many times."""

    def __init__(self, client: redis.Redis, deaths: int) -> None:
        super().__init__(client)
        self.deaths = deaths

    def newer(self, after: Mapping[str, str], *, wait_s: float = 0.0, count: int = 100) -> dict[str, list[Entry]]:
        if self.deaths:
            self.deaths -= 1
            raise SystemExit
        return super().newer(after, wait_s=wait_s, count=count)


def outlooks(job_ids: Sequence[str]) -> dict[str, Outlook | None]:
    return dict.fromkeys(job_ids, Outlook(Status.RUNNING))


def refuse_the_bad(job_ids: Sequence[str]) -> dict[str, Outlook | None]:
    if "bad" in job_ids:
        raise KeyError("status")
    return outlooks(job_ids)


@pytest.fixture
def submit(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[[], Job]:
    return lambda: submit_job(store, request_for(stream=True), "tiny")


def log_start(client: redis.Redis, job_id: str) -> None:
    client.xadd(f"ostinato:events:{job_id}", {"type": "started", "at_ms": 1})


def first_entry(stream: Callable[[], list[Notice]]) -> str:
    while True:
        for notice in stream():
            if isinstance(notice, Entry):
                return notice.type


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_dies_is_replaced_and_its_streams_hear_all_the_same(client: redis.Redis, store: JobStore) -> None:
    log = MortalLog(client, deaths=2)
    stream = EventHub(log, outlooks, store.reader.statuses, Shutdown()).subscribe("a", "0", silence_s=60.0)
    log_start(client, "a")
    assert in_time(lambda: first_entry(stream.__next__)) == "started"
    assert log.deaths == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_wait_for_an_event_outlives_its_reader_too(client: redis.Redis, store: JobStore) -> None:
    hub = EventHub(MortalLog(client, deaths=1), outlooks, store.reader.statuses, Shutdown())
    log_start(client, "a")
    assert in_time(lambda: hub.wait_for("a", "0", lambda notice: isinstance(notice, Entry), IN_TIME_S))


def test_a_thread_that_the_system_refuses_is_asked_for_again(
    client: redis.Redis, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    start = threading.Thread.start

    def start_second_time(thread: threading.Thread) -> None:
        if thread.name == "event-hub" and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_second_time)
    stream = EventHub(EventLog(client), outlooks, store.reader.statuses, Shutdown()).subscribe("a", "0", silence_s=60.0)
    log_start(client, "a")
    assert in_time(lambda: first_entry(stream.__next__)) == "started"
    assert refused


def test_sound_of_a_job_that_cannot_be_read_breaks_off_and_keeps_no_other_back(
    client: redis.Redis, store: JobStore, settings: Settings, submit: Callable[[], Job]
) -> None:
    good, bad, other = submit(), submit(), submit()
    client.hset(f"ostinato:job:{bad.id}", "status", "of a later version")
    hub = AudioHub(ChunkStore(client, settings), Shutdown())
    takes_nothing = AudioSubscription(bad.id)
    hub._subscriptions.add(takes_nothing)
    streams = [hub.subscribe(job.id) for job in (good, other)]
    for stream in streams:
        head = in_time(stream.__next__)
        assert isinstance(head, Head)
        assert head.status is Status.QUEUED
    assert wait_for(lambda: takes_nothing.is_closed)
    with pytest.raises(Unavailable, match=bad.id):
        in_time(hub.subscribe(bad.id).__next__)
    for job, stream in zip((good, other), streams, strict=True):
        store.cancel(job.id)
        assert Status.CANCELLED in [each.status for each in in_time(lambda s=stream: [*s]) if isinstance(each, Head)]
    hub._subscriptions.discard(takes_nothing)


@pytest.mark.parametrize("unreadable", ["log", "outlook"])
def test_events_of_a_job_that_cannot_be_read_end_and_keep_no_other_back(
    client: redis.Redis, store: JobStore, unreadable: str
) -> None:
    if unreadable == "log":
        client.xadd("ostinato:events:bad", {"of a later version": 1})
    hub = EventHub(
        EventLog(client), refuse_the_bad if unreadable == "outlook" else outlooks, store.reader.statuses, Shutdown()
    )
    takes_nothing = EventSubscription("bad", "0")
    hub._subscriptions.add(takes_nothing)
    bad, *others = (hub.subscribe(job_id, "0", silence_s=60.0) for job_id in ("bad", "a", "z"))
    firsts = [in_time(stream.__next__) for stream in others]
    assert firsts == [[Outlook(Status.RUNNING)]] * 2
    assert in_time(lambda: [*bad])[-1][-1] == Over(gone=False)
    for job_id, stream in zip("az", others, strict=True):
        log_start(client, job_id)
        assert in_time(lambda s=stream: first_entry(s.__next__)) == "started"
        stream.close()
    hub._subscriptions.discard(takes_nothing)


def test_a_stream_can_end_in_the_middle_of_its_readers_decision_to_go_on(client: redis.Redis, store: JobStore) -> None:
    """Close a stream under the lock, as the garbage collector does: it runs wherever memory is asked for."""
    hub = EventHub(EventLog(client), outlooks, store.reader.statuses, Shutdown())
    stream = hub.subscribe("a", "0", silence_s=60.0)
    in_time(stream.__next__)
    with hub._reader._lock:
        in_time(stream.close)
    assert not hub._subscriptions
