"""Make and disable API keys for operators, each action with its entry in the audit log.

For the command `python -m api.keys` and the routes of /admin/api alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from api.auth.keys import Allowance, Key, Keys
from shared.accounts.key_states import Grant
from shared.admin.audit_log import Actor, AuditLog
from shared.errors import Conflict, NotFound
from shared.jobs.job import Status
from shared.jobs.store import JobStore

NAME_CHARACTERS = 100
NAME_WORDS = f"send 1 to {NAME_CHARACTERS} printable characters"
ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ACCOUNT_WORDS = "send 1 to 64 letters, digits, dots, dashes or underscores"
LIMITS = {
    "rpm": "submissions a minute",
    "rpd": "submissions a day",
    "concurrent": "jobs that run at once, more wait",
    "monthly_bytes": "bytes of audio a month",
}
NO_LIMIT = "none"
ADMIN_WORDS = "a key with the scope admin has no account to share and no limits; leave them out"


def is_name(text: str) -> bool:
    """Return whether a text is a name of one line, which a list can show."""
    return 1 <= len(text) <= NAME_CHARACTERS and text.isprintable()


class KeyAdmin:
    """Act for operators. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(self, keys: Keys, store: JobStore, audit_log: AuditLog) -> None:
        self._keys, self._store, self._audit_log = keys, store, audit_log

    def create(self, name: str, limits: Mapping[str, int | None], account: str | None, actor: Actor) -> tuple[str, Key]:
        """Make a key and return it, this once, with its record.

        Limits that are not given are those of the account, when it has a key already.
        """
        with self._audit_log.recorded(actor, "create key") as report:
            before = self._keys.allowance_of(account) if account else Allowance()
            key, record = self._keys.create(name, replace(before, **limits), account)
            report.target, report.detail = record.id, f"{name}, account {record.account}"
        return key, record

    def create_admin(self, name: str, actor: Actor) -> tuple[str, Key]:
        """Make a key with the scope `admin`."""
        with self._audit_log.recorded(actor, "create key") as report:
            key, record = self._keys.create_admin(name)
            report.target, report.detail = record.id, f"{name}, scope admin"
        return key, record

    def disable(self, key_id: str, actor: Actor, *, cancel_jobs: bool = False) -> tuple[Key, int]:
        """Disable a key for good, and cancel its jobs that have not begun if asked; how many. Raises NotFound."""
        with self._audit_log.recorded(actor, "disable key", key_id) as report:
            key = self._keys.disable(key_id)
            cancelled = self._cancel_waiting(key) if cancel_jobs else 0
            report.detail = f"{key.name}, {cancelled} jobs cancelled" if cancel_jobs else key.name
        return key, cancelled

    def _cancel_waiting(self, key: Key) -> int:
        """Cancel the jobs made with a disabled key that have not begun.

        Which key an older version's job was made with is not known: it goes too, if its account has no good key left.
        """
        theirs = {key.id} if self._keys.states.is_living(Grant(key.account)) else {key.id, None}
        cancelled = 0
        for job_id, key_id in self._store.reader.waiting_for(key.account).items():
            if key_id in theirs:
                with suppress(Conflict, NotFound):  # begun and ended meanwhile
                    cancelled += self._store.cancel(job_id).status is Status.CANCELLED
        return cancelled
