"""How many jobs of an account run at once: exact, work-conserving, starving nobody, over the real broker."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
import redis

from shared.broker import lua_scripts
from shared.broker.connection import connect
from shared.broker.lua_loader import LuaScript, load_scripts
from shared.errors import GenerationFailed
from shared.jobs.job import Job
from shared.jobs.reaper import Reaper
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets, make_celery, queue_name
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.shared.steps import result_for
from tests.submitting import submit_job


@pytest.fixture
def roomy(client: redis.Redis, make_settings: Callable[..., Settings]) -> JobStore:
    return JobStore(client, make_settings(max_queue_length=10**6))


OLD_NUMBERS = """
local plain = redis.call
local redis = setmetatable({call = function(...)
  local words = {...}
  for n, word in ipairs(words) do if type(word) == 'number' then words[n] = string.format('%.17g', word) end end
  return plain(unpack(words))
end}, {__index = redis})
"""


def test_the_scripts_run_on_a_server_that_writes_numbers_as_redis_did_before_7_2(
    roomy: JobStore, request_for: Callable[..., MusicRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, minus zero is "-0", which is no integer."""
    scripts = {name: LuaScript.of(OLD_NUMBERS + script.text) for name, script in load_scripts().items()}
    monkeypatch.setattr(lua_scripts, "load_scripts", lambda: scripts)
    store = JobStore(roomy._redis, roomy._settings)
    for _ in range(3):
        submit_job(store, request_for(), "tiny", account="a", source="tasks", concurrent=1)
    ended = []
    while (job := store.claim("tiny", "w1")) is not None:
        store.reap()
        store.complete(job, result_for(job))
        ended.append(job.id)
    assert len(ended) == 3


@pytest.fixture
def tickets(settings: Settings) -> Tickets:
    return Tickets(make_celery(settings), settings)


@pytest.fixture
def submit(roomy: JobStore, tickets: Tickets, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    def submit(account: str, concurrent: int | None = None, model: str = "tiny", **changes: object) -> Job:
        ticket = tickets.write(model)
        return submit_job(roomy, request_for(**changes), model, account=account, concurrent=concurrent, ticket=ticket)

    return submit


def test_an_account_at_its_bound_is_passed_over_and_the_others_go_on(
    roomy: JobStore, submit: Callable[..., Job]
) -> None:
    for _ in range(5):
        submit("bounded", 2)
    free = [submit("free") for _ in range(2)]
    claimed = [roomy.claim("tiny", "w1") for _ in range(5)]
    assert Counter(job.account for job in claimed if job) == {"bounded": 2, "free": 2}
    assert {job.id for job in free} <= {job.id for job in claimed if job}
    assert (roomy.reader.running_for("bounded"), roomy.reader.running_for("free")) == (2, 2)
    assert (roomy.reader.waiting(), roomy.reader.startable()) == ({"tiny": 3}, {"tiny": 0})


@pytest.mark.parametrize("end", ["complete", "fail", "requeue", "cancel", "lose"])
def test_however_a_job_ends_the_next_one_comes_in_with_a_ticket(
    client: redis.Redis,
    make_settings: Callable[..., Settings],
    roomy: JobStore,
    submit: Callable[..., Job],
    end: str,
) -> None:
    jobs = [submit("bounded", 1) for _ in range(3)]
    first = roomy.claim("tiny", "w1")
    assert first is not None
    assert first.id == jobs[0].id
    client.delete(queue_name("tiny"))  # idle workers drew all tickets, and found nothing
    assert roomy.claim("tiny", "w1") is None
    if end == "complete":
        roomy.complete(first, result_for(first))
    elif end == "fail":
        roomy.fail(first, GenerationFailed("no"))
    elif end == "requeue":
        roomy.requeue(first)
    elif end == "cancel":
        roomy.cancel(first.id)
    else:
        client.zadd("ostinato:leases", {first.id: 1})
        roomy.reap()
    again = end in ("fail", "requeue", "lose")  # what comes back was there first, and the reaper sends its ticket
    assert client.llen(queue_name("tiny")) == (0 if again else 1)
    assert roomy.reader.startable() == {"tiny": 1}
    following = roomy.claim("tiny", "w1")
    assert following is not None
    assert following.id == jobs[0 if again else 1].id
    assert roomy.claim("tiny", "w1") is None


def test_a_ticket_written_by_the_script_is_celerys_own_with_another_id(
    client: redis.Redis, roomy: JobStore, submit: Callable[..., Job]
) -> None:
    for _ in range(3):
        submit("bounded", 1)
    sent = client.lrange(queue_name("tiny"), 0, -1)
    client.delete(queue_name("tiny"))
    for _ in range(2):
        job = roomy.claim("tiny", "w1")
        assert job is not None
        roomy.complete(job, result_for(job))
    written = client.lrange(queue_name("tiny"), 0, -1)
    ids = ["00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000001"]
    assert [text.count(number) for text, number in zip(written, ids, strict=True)] == [
        sent[0].count(json_id(sent[0]))
    ] * 2
    assert written[0].replace(ids[0], "") == sent[0].replace(json_id(sent[0]), "")


def json_id(ticket: str) -> str:
    return str(json.loads(ticket)["headers"]["id"])


def test_what_waits_aside_counts_in_the_queue_and_has_a_position_and_can_be_cancelled(
    roomy: JobStore, submit: Callable[..., Job]
) -> None:
    jobs = [submit("bounded", 1) for _ in range(4)]
    assert [roomy.reader.snapshot(job.id).position for job in jobs] == [0, 1, 2, 3]
    assert sorted(roomy.reader.waiting_ids("tiny", "bounded")) == sorted(job.id for job in jobs)
    roomy.cancel(jobs[2].id)
    assert [roomy.reader.snapshot(job.id).position for job in jobs] == [0, 1, None, 2]
    assert roomy.reader.waiting() == {"tiny": 3}
    roomy.cancel(jobs[0].id)  # it waited in line: the next one takes its room
    claimed = roomy.claim("tiny", "w1")
    assert claimed is not None
    assert claimed.id == jobs[1].id


def test_the_bound_holds_over_all_models_and_a_model_without_workers_takes_no_room(
    roomy: JobStore, submit: Callable[..., Job]
) -> None:
    for _ in range(3):
        submit("bounded", 1, model="small")
    mine = [submit("bounded", 1) for _ in range(2)]
    first = roomy.claim("tiny", "w1")
    assert first is not None
    assert roomy.claim("small", "w2") is None
    roomy.complete(first, result_for(first))
    assert roomy.claim("small", "w2") is not None
    assert roomy.claim("tiny", "w1") is None
    assert roomy.reader.snapshot(mine[1].id).position is not None


def test_a_raised_or_lifted_bound_lets_more_in_at_the_next_submission(
    roomy: JobStore, submit: Callable[..., Job]
) -> None:
    for _ in range(6):
        submit("bounded", 1)
    assert roomy.claim("tiny", "w1") is not None
    assert roomy.claim("tiny", "w1") is None
    submit("bounded", 3)
    assert [bool(roomy.claim("tiny", "w1")) for _ in range(3)] == [True, True, False]
    submit("bounded", 0)
    assert [bool(roomy.claim("tiny", "w1")) for _ in range(6)] == [True] * 5 + [False]


def test_who_waits_aside_saves_up_no_turns(roomy: JobStore, submit: Callable[..., Job]) -> None:
    for _ in range(50):
        submit("bounded", 1)
    running = roomy.claim("tiny", "w1")
    assert running is not None
    for _ in range(40):
        submit("free")
    for _ in range(20):
        claimed = roomy.claim("tiny", "w1")
        assert claimed is not None
        roomy.complete(claimed, result_for(claimed))
    roomy.complete(running, result_for(running))
    two = [roomy.claim("tiny", "w1") for _ in range(2)]
    assert sorted(job.account for job in two if job) == ["bounded", "free"]


def test_a_claim_does_not_walk_over_what_waits_aside(
    client: redis.Redis, roomy: JobStore, submit: Callable[..., Job]
) -> None:
    for _ in range(400):
        submit("bounded", 2)
    for _ in range(2):
        roomy.claim("tiny", "w1")
    for _ in range(50):
        submit("free")
    before = client.info("commandstats")["cmdstat_evalsha"]["usec"]
    for _ in range(50):
        claimed = roomy.claim("tiny", "w1")
        assert claimed is not None
        assert claimed.account == "free"
    assert (client.info("commandstats")["cmdstat_evalsha"]["usec"] - before) / 50 < 5_000
    assert client.zcard("ostinato:line:normal:tiny") == 0


def test_the_reaper_frees_what_an_older_version_ended(
    client: redis.Redis, roomy: JobStore, submit: Callable[..., Job]
) -> None:
    for _ in range(2):
        submit("bounded", 1)
    first = roomy.claim("tiny", "w1")
    assert first is not None
    client.zrem("ostinato:leases", first.id)
    client.hset(f"ostinato:job:{first.id}", "status", "completed")
    assert roomy.claim("tiny", "w1") is None
    roomy.reap()
    assert roomy.claim("tiny", "w1") is not None


def test_many_workers_at_once_never_pass_a_bound_and_draw_every_job_without_the_reaper(
    settings: Settings, make_settings: Callable[..., Settings], client: redis.Redis, submit: Callable[..., Job]
) -> None:
    """Twelve workers that sleep until a ticket comes, as Celery's do; nobody reaps: a swallowed ticket would hang.

    Who has no bound goes on once four of its jobs run at the same time.
    """
    bounds = {"one": 1, "three": 3, "free": 0}
    running, most, done = Counter[str](), Counter[str](), Counter[str]()
    lock, stop, four = threading.Lock(), threading.Event(), threading.Event()

    def work(name: str) -> None:
        own = connect(make_settings(redis_timeout_s=5))
        store = JobStore(own, settings)
        while not stop.is_set():
            if own.brpop([queue_name("tiny")], timeout=1) is None or (job := store.claim("tiny", name)) is None:
                continue
            with lock:
                running[job.account] += 1
                most[job.account] = max(most[job.account], running[job.account])
                if running["free"] == 4:
                    four.set()
            if job.account == "free":
                four.wait(10)
            time.sleep(0.02)
            with lock:
                running[job.account] -= 1
            store.complete(job, result_for(job))
            with lock:
                done[job.account] += 1

    threads = [threading.Thread(target=work, args=(f"w{n}",), daemon=True) for n in range(12)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(25):
            for account, bound in bounds.items():
                submit(account, bound)
        give_up_at = time.monotonic() + 20
        while done.total() < 75 and time.monotonic() < give_up_at:
            time.sleep(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=3)
    assert done == {"one": 25, "three": 25, "free": 25}
    assert most["one"] == 1
    assert most["three"] == 3
    assert most["free"] > 3, "who has no bound is not held up"
    assert client.exists("ostinato:asides", "ostinato:runs:one", "ostinato:runs:three") == 0


def test_the_reaper_sends_tickets_only_for_what_may_start(
    client: redis.Redis, settings: Settings, roomy: JobStore, tickets: Tickets, submit: Callable[..., Job]
) -> None:
    for _ in range(5):
        submit("bounded", 2)
    client.delete(queue_name("tiny"))
    Reaper(roomy, tickets, client, settings).reap_once()
    assert client.llen(queue_name("tiny")) == 2
