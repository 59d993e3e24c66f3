"""The audit log has each action before it is done and its outcome afterwards, and no entry is ever changed."""

from __future__ import annotations

import pytest
import redis

from shared.admin import audit_log
from shared.admin.audit_log import Actor, AuditEntry, AuditLog
from shared.errors import NotFound

OPS = Actor("ops", "key1")


@pytest.fixture
def log(client: redis.Redis) -> AuditLog:
    return AuditLog(client)


def words(entries: list[AuditEntry]) -> list[tuple[str, str, str]]:
    return [(entry.action, entry.target, entry.outcome) for entry in entries]


def test_an_action_is_in_the_log_while_it_is_done_and_with_its_outcome_afterwards(log: AuditLog) -> None:
    with log.recorded(OPS, "drain", "w1") as report:
        assert words(log.latest(10)) == [("drain", "w1", "unknown")]
        report.detail = "two tasks run there"
    (entry,) = log.latest(10)
    assert (entry.actor, entry.key_id, entry.outcome, entry.detail) == ("ops", "key1", "done", "two tasks run there")


def test_what_was_refused_or_failed_is_in_the_log_with_its_reason(log: AuditLog) -> None:
    with pytest.raises(NotFound), log.recorded(OPS, "cancel", "t1"):
        raise NotFound("no task 't1'")
    with pytest.raises(ZeroDivisionError), log.recorded(OPS, "cancel", "t2"):
        raise ZeroDivisionError
    failed, refused = log.latest(10)
    assert (refused.outcome, refused.detail) == ("refused", "NOT_FOUND: no task 't1'")
    assert (failed.outcome, failed.detail) == ("failed", "ZeroDivisionError")


def test_a_process_that_was_killed_in_between_leaves_an_action_without_outcome(log: AuditLog) -> None:
    never_ended = log.recorded(OPS, "drain", "w1")
    never_ended.__enter__()
    assert words(log.latest(10)) == [("drain", "w1", "unknown")]


def test_the_log_is_read_page_by_page_with_outcomes_that_came_later(log: AuditLog) -> None:
    with log.recorded(OPS, "first"), log.recorded(OPS, "second"), log.recorded(OPS, "third"):
        pass
    newest = log.latest(2)
    assert words(newest) == [("third", "", "done"), ("second", "", "done")]
    assert words(log.latest(2, before=newest[-1].id)) == [("first", "", "done")]
    assert log.latest(2, before=log.latest(3)[-1].id) == []


def test_only_the_latest_entries_are_kept_and_long_words_are_cut(
    log: AuditLog, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "ENTRIES_KEPT", 6)
    for number in range(5):
        with log.recorded(OPS, "drain", f"w{number}" + "x" * 5000):
            pass
    assert client.xlen("ostinato:audit") == 6
    assert [entry.target[:2] for entry in log.latest(10)] == ["w4", "w3", "w2"]
    assert {len(entry.target) for entry in log.latest(10)} == {audit_log.DETAIL_CHARACTERS}


def test_the_actions_on_one_target_are_found_by_their_time(log: AuditLog) -> None:
    for target in ("t1", "t2", "t1"):
        with log.recorded(OPS, "cancel", target):
            pass
    first, last = log.about("t1", 0.0, None)
    assert first.at <= last.at
    assert log.about("t1", last.at + 1, None) == []
    assert log.about("t1", 0.0, first.at - 1) == []
