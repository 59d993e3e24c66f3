"""Log what operators do: who asked for what, when, and what became of it. Entries are added, and never changed.

An action's entry is written before the action, and a second one after it with the outcome: so none is done that the
log does not have, also where a process is killed in between. The latest ENTRIES_KEPT entries are kept.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.errors import BrokerUnavailable, OstinatoError

ENTRIES_KEPT = 20_000  # two for each action
OUTCOMES_READ = 100  # after a page, of actions that were under way at its end
DETAIL_CHARACTERS = 300
NEWEST = "+"

Outcome = Literal["done", "refused", "failed", "unknown"]
OUTCOMES: Mapping[str, Outcome] = {"done": "done", "refused": "refused", "failed": "failed"}


@dataclass(frozen=True)
class Actor:
    """Name who acts: an API key by its id and name, whoever is at this machine while no key exists, a command line."""

    name: str
    key_id: str = ""

    @classmethod
    def at_command_line(cls) -> Actor:
        try:
            return cls(f"command line, {getpass.getuser()}")
        except (KeyError, OSError):  # a container's user may have no name
            return cls(f"command line, uid {os.getuid()}")


@dataclass
class Report:
    """Take what an action has to say of itself: its `detail`, and its `target` where it is only known afterwards."""

    detail: str = ""
    target: str = ""


@dataclass(frozen=True)
class AuditEntry:
    """Hold one action. `at`: UNIX seconds, by the clock of the Redis server. `detail`: what it did, or why not."""

    id: str
    at: float
    actor: str
    key_id: str
    action: str
    target: str
    outcome: Outcome
    detail: str


class AuditLog:
    """Write and read the log. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._key = RedisKeys(root).audit_log()

    @contextmanager
    def recorded(self, actor: Actor, action: str, target: str = "") -> Iterator[Report]:
        """Log an action that is done inside, and how it ended. What it raises is raised on."""
        fields = {"actor": actor.name, "key_id": actor.key_id, "action": action, "target": target}
        asked, report = self._add(fields), Report(target=target)
        try:
            yield report
        except OstinatoError as error:
            self._end_badly(asked, "refused", f"{error.code}: {error.message}")
            raise
        except BaseException as error:
            self._end_badly(asked, "failed", type(error).__name__)
            raise
        self._add({"of": asked, "outcome": "done", "detail": report.detail, "target": report.target})

    def _end_badly(self, asked: str, outcome: Outcome, detail: str) -> None:
        with suppress(BrokerUnavailable):  # the entry stays without an outcome, and the caller learns of the fault
            self._add({"of": asked, "outcome": outcome, "detail": detail, "target": ""})

    def _add(self, fields: Mapping[str, str]) -> str:
        kept = {name: text[:DETAIL_CHARACTERS] for name, text in fields.items()}
        with translated():
            return self._redis.xadd(self._key, kept, maxlen=ENTRIES_KEPT, approximate=False)

    def latest(self, limit: int, before: str = NEWEST) -> list[AuditEntry]:
        """Return the latest actions, the newest first; `before` the id of one, those that were asked for before it."""
        last = before if before == NEWEST else f"({before}"
        with translated():
            later = [] if before == NEWEST else self._redis.xrange(self._key, min=before, count=OUTCOMES_READ)
            entries = self._redis.xrevrange(self._key, max=last, count=2 * limit + OUTCOMES_READ)
        ends = [entry for entry in later if "of" in entry[1]]
        return _actions([*entries, *ends])[:limit]

    def about(self, target: str, since: float, until: float | None) -> list[AuditEntry]:
        """Return the actions on one target between two times, UNIX seconds, the oldest first."""
        end = NEWEST if until is None else str(round(until * 1000) + 1)
        with translated():
            entries = self._redis.xrange(self._key, min=str(round(since * 1000)), max=end)
        return [each for each in reversed(_actions(entries)) if each.target == target]


def _actions(entries: Sequence[tuple[str, Mapping[str, str]]]) -> list[AuditEntry]:
    """Join what was asked with what became of it; the newest first."""
    ends = {fields["of"]: fields for _, fields in entries if "of" in fields}
    asked = {entry_id: fields for entry_id, fields in entries if "action" in fields}
    return [_action(entry_id, asked[entry_id], ends.get(entry_id, {})) for entry_id in sorted(asked, key=_order)][::-1]


def _action(entry_id: str, asked: Mapping[str, str], end: Mapping[str, str]) -> AuditEntry:
    return AuditEntry(
        id=entry_id,
        at=int(entry_id.partition("-")[0]) / 1000,
        actor=asked["actor"],
        key_id=asked["key_id"],
        action=asked["action"],
        target=end.get("target") or asked["target"],
        outcome=OUTCOMES.get(end.get("outcome", ""), "unknown"),
        detail=end.get("detail", ""),
    )


def _order(entry_id: str) -> tuple[int, int]:
    time_ms, _, number = entry_id.partition("-")
    return int(time_ms), int(number)
