"""Keep API keys in Redis: make, list, disable and find them. Their command is keys_command.py.

A key is `ost_<id>_<secret>`. The id finds the record, the secret's SHA-256 is compared in constant time; 256 random
bits need no slower hash. Keys of the environment (API_KEYS) are an account each and have the default limits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import redis

from shared.accounts.key_states import STATIC_PREFIX, KeyStates
from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS
from shared.errors import NotFound

PREFIX = "ost"
SNAPSHOT_AGE_S = 1.0


@dataclass(frozen=True)
class Allowance:
    """Limit what an account may do. None is no limit; `concurrent` bounds running jobs, more wait in the queue."""

    rpm: int | None = 100
    rpd: int | None = None
    concurrent: int | None = 10
    monthly_bytes: int | None = 10**9


Scope = Literal["music", "admin"]
NO_LIMITS = Allowance(rpm=None, rpd=None, concurrent=None, monthly_bytes=None)


@dataclass(frozen=True)
class Key:
    """Record what is kept of a key. `account` owns the tasks made with it.

    One with the scope `admin` opens /admin/api and nothing else, and has no limits.
    """

    id: str
    name: str
    account: str
    sha256: str
    created_at: float
    disabled: bool = False
    allowance: Allowance = field(default_factory=Allowance)
    admin: bool = False

    @property
    def scope(self) -> Scope:
        return "admin" if self.admin else "music"

    def as_json(self) -> str:
        """Return its record. An older version, which knows no scopes, cannot read one that has another."""
        record = asdict(self)
        return json.dumps(record if self.admin else {name: record[name] for name in record if name != "admin"})

    @classmethod
    def from_json(cls, text: str) -> Key:
        data: Mapping[str, Any] = json.loads(text)
        return cls(**{**data, "allowance": Allowance(**data["allowance"])})


class Keys:
    """Keep the keys of Redis and of API_KEYS. All methods raise BrokerUnavailable while Redis does not respond."""

    def __init__(self, client: redis.Redis, static: tuple[str, ...] = ()) -> None:
        self._redis = commands_of(client)
        self._hash = REDIS_KEYS.api_keys()
        self._allowances = REDIS_KEYS.allowances()
        self._static = tuple(_static_key(key) for key in static)
        self.states = KeyStates(client, {key.id: key.account for key in self._static})
        self._known: tuple[float, bool] = (0.0, False)

    def create(self, name: str, allowance: Allowance, account: str | None = None) -> tuple[str, Key]:
        """Make a key: return the key itself, which is shown once and never kept, and its record.

        Keys of one `account` share its tasks and its limits: those of the key made last.
        """
        return self._keep(name, allowance, account)

    def _keep(self, name: str, allowance: Allowance, account: str | None, *, admin: bool = False) -> tuple[str, Key]:
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        record = Key(
            key_id, name, account or f"key-{key_id}", _digest(secret), time.time(), allowance=allowance, admin=admin
        )
        others = [replace(key, allowance=allowance) for key in self.all() if key.account == account]
        with translated():
            self._redis.hset(self._allowances, record.account, json.dumps(asdict(allowance)))
            self._redis.hset(self._hash, mapping={key.id: key.as_json() for key in (record, *others)})
        self._known = (time.monotonic(), True)
        return f"{PREFIX}_{key_id}_{secret}", record

    def all(self) -> list[Key]:
        """Return the keys in Redis, oldest first."""
        with translated():
            texts = self._redis.hvals(self._hash)
        return sorted(map(Key.from_json, texts), key=lambda key: key.created_at)

    def create_admin(self, name: str) -> tuple[str, Key]:
        """Make a key with the scope `admin`, as `create` does. Its account owns nothing."""
        return self._keep(name, NO_LIMITS, None, admin=True)

    def disable(self, key_id: str) -> Key:
        """Disable a key for good. Raises NotFound."""
        with translated():
            text = self._redis.hget(self._hash, key_id)
        if text is None:
            kept = "; a key of API_KEYS ends when it is taken out there and the API restarts"
            raise NotFound(
                f"no key {key_id!r}; `list` shows their ids{kept if key_id.startswith(STATIC_PREFIX) else ''}"
            )
        record = replace(Key.from_json(text), disabled=True)
        with translated():
            self._redis.hset(self._hash, key_id, record.as_json())
        return record

    def exist(self) -> bool:
        """Return whether any key was ever made, as of the last second; disabling the last one opens nothing again."""
        if self._static:
            return True
        at, known = self._known
        if not known and time.monotonic() - at > SNAPSHOT_AGE_S:
            with translated():
                known = bool(self._redis.hlen(self._hash))
            self._known = (time.monotonic(), known)
        return known

    def allowance_of(self, account: str) -> Allowance:
        with translated():
            text = self._redis.hget(self._allowances, account)
        return Allowance(**json.loads(text)) if text else Allowance()

    def find(self, given: str) -> Key | None:
        """Return the record of a key that is right and not disabled."""
        for static in self._static:
            if hmac.compare_digest(static.sha256, _digest(given)):
                return static
        prefix, _, rest = given.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not key_id.isalnum():
            return None
        with translated():
            text = self._redis.hget(self._hash, key_id)
        record = Key.from_json(text) if text else None
        right = hmac.compare_digest(record.sha256 if record else "0" * 64, _digest(secret))
        return record if record is not None and right and not record.disabled else None


def _static_key(key: str) -> Key:
    digest = _digest(key)
    return Key(f"{STATIC_PREFIX}{digest[:8]}", "API_KEYS", f"{STATIC_PREFIX}{digest[:12]}", digest, 0.0)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
