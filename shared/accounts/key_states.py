"""Tell whether an API key, or any key of an account, is still good. Reads the records that api/auth/keys.py writes.

Links, open streams and webhooks outlive the request that began them, so each asks again here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS

STATIC_PREFIX = "static-"  # of the ids and accounts of keys in API_KEYS


@dataclass(frozen=True)
class Grant:
    """Say on whose behalf something is done.

    Without a key's id (older links, webhooks) any key of the account will do.
    """

    account: str
    key_id: str | None = None


class KeyStates:
    """Read the states of keys as of now, without a cache.

    All methods raise BrokerUnavailable while Redis does not answer.
    """

    def __init__(self, client: redis.Redis, static: Mapping[str, str] | None = None) -> None:
        """Take the keys of API_KEYS as `static`, id to account; None where they are unknown: all count as good."""
        self._redis = commands_of(client)
        self._static = static

    def is_living(self, grant: Grant) -> bool:
        """Return whether the key, or one of the account's keys, exists and is not disabled."""
        return grant in self.living([grant])

    def living(self, grants: Iterable[Grant]) -> set[Grant]:
        """Return those of the grants whose key is good, in at most two round trips."""
        asked = set(grants)
        named = {grant for grant in asked if grant.key_id is not None and not _is_static(grant.key_id)}
        found = {grant for grant in asked if self._is_good_static(grant)}
        ids = sorted({str(grant.key_id) for grant in named})
        accounts = dict(zip(ids, self._accounts(ids), strict=True))
        found |= {grant for grant in named if accounts[str(grant.key_id)] == grant.account}
        if unnamed := {grant for grant in asked - found if grant.key_id is None}:
            with translated():
                good = set(map(_account_of, self._redis.hvals(REDIS_KEYS.api_keys())))
            found |= {grant for grant in unnamed if grant.account in good}
        return found

    def _is_good_static(self, grant: Grant) -> bool:
        if self._static is None:
            return _is_static(grant.key_id or grant.account)
        if grant.key_id is None:
            return grant.account in self._static.values()
        return self._static.get(grant.key_id) == grant.account

    def _accounts(self, ids: list[str]) -> list[str | None]:
        if not ids:
            return []
        with translated():
            return list(map(_account_of, self._redis.hmget(REDIS_KEYS.api_keys(), ids)))


def _is_static(name: str) -> bool:
    return name.startswith(STATIC_PREFIX)


def _account_of(record: str | None) -> str | None:
    """Return the account of a key that is not disabled."""
    data = json.loads(record) if record else {}
    return None if data.get("disabled", True) else data.get("account")
