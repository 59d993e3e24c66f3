"""Describe in an AuthContext whose a request is, under which limits, and until when its link is good.

Made once, by api/auth/authenticate.py, and read through its `current_auth`. Imports no Flask, so that services can
take one too.
"""

from __future__ import annotations

from dataclasses import dataclass

from api.auth.keys import NO_LIMITS, Allowance
from shared.accounts.key_states import Grant
from shared.admin.audit_log import Actor
from shared.jobs.job import LOCAL


@dataclass(frozen=True)
class AuthContext:
    """Say who asks and what they may do; by default as on a server without keys, and on paths that need none."""

    grant: Grant | None = None  # the account and the key that the request speaks for; None while no key exists
    allowance: Allowance = NO_LIMITS
    link_expires_at: int | None = None  # of a request that came by a signed link
    actor: Actor | None = None  # the operator that asks for something of /admin

    @property
    def has_key(self) -> bool:
        """Return whether a key let this request in: its limits count then, and its links are signed."""
        return self.grant is not None

    @property
    def account(self) -> str:
        return LOCAL if self.grant is None else self.grant.account

    @property
    def key_id(self) -> str | None:
        """Return the id of the key that a job of this request is made with."""
        return None if self.grant is None else self.grant.key_id

    @property
    def concurrent(self) -> int:
        """Return how many of the account's jobs may run at once; 0 is any number."""
        return self.allowance.concurrent or 0
