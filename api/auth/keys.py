"""Make, list, disable and find API keys, kept in Redis as hashes; `python -m api.keys` is the command for it.

A key is `ost_<id>_<secret>`. The id finds the record, the secret's SHA-256 is compared in constant time; 256 random
bits need no slower hash. Keys of the environment (API_KEYS) are an account each and have the default limits.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import re
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import redis

from shared.accounts.key_states import STATIC_PREFIX, Grant, KeyStates
from shared.broker.commands import commands_of
from shared.broker.connection import connect, translated
from shared.broker.keys import REDIS_KEYS
from shared.errors import Conflict, NotFound, OstinatoError
from shared.jobs.job import Status
from shared.jobs.store import JobStore
from shared.settings import API, read_settings

PREFIX = "ost"
SNAPSHOT_AGE_S = 1.0
ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LIMITS = {
    "rpm": "submissions a minute",
    "rpd": "submissions a day",
    "concurrent": "jobs that run at once, more wait",
    "monthly_bytes": "bytes of audio a month",
}


@dataclass(frozen=True)
class Allowance:
    """Limit what an account may do. None is no limit; `concurrent` bounds running jobs, more wait in the queue."""

    rpm: int | None = 100
    rpd: int | None = None
    concurrent: int | None = 10
    monthly_bytes: int | None = 10**9


NO_LIMITS = Allowance(rpm=None, rpd=None, concurrent=None, monthly_bytes=None)


@dataclass(frozen=True)
class Key:
    """Record what is kept of a key. `account` owns the tasks made with it."""

    id: str
    name: str
    account: str
    sha256: str
    created_at: float
    disabled: bool = False
    allowance: Allowance = field(default_factory=Allowance)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

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
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        record = Key(key_id, name, account or f"key-{key_id}", _digest(secret), time.time(), allowance=allowance)
        others = [replace(key, allowance=allowance) for key in self.all() if key.account == account]
        with translated():
            self._redis.hset(self._allowances, record.account, json.dumps(asdict(allowance)))
            self._redis.hset(self._hash, mapping={key.id: key.as_json() for key in (record, *others)})
        return f"{PREFIX}_{key_id}_{secret}", record

    def all(self) -> list[Key]:
        """Return the keys in Redis, oldest first."""
        with translated():
            texts = self._redis.hvals(self._hash)
        return sorted(map(Key.from_json, texts), key=lambda key: key.created_at)

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


def _number(text: str) -> int | None:
    """Parse a positive integer, or `none` for no limit."""
    if text == "none":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: send a whole number from 1, or none for no limit")
    return int(text)


def _label(text: str) -> str:
    """Parse a name of one line, which `list` can show."""
    if not 1 <= len(text) <= 100 or not text.isprintable():
        raise argparse.ArgumentTypeError("send 1 to 100 printable characters")
    return text


def _account(text: str) -> str:
    if not ACCOUNT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: send 1 to 64 letters, digits, dots, dashes or underscores")
    return text


def _parser() -> argparse.ArgumentParser:
    usual = asdict(Allowance())
    parser = argparse.ArgumentParser(prog="api.keys", description="API keys, kept in the Redis of REDIS_URL")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and print it, once", epilog="a limit may be `none`")
    create.add_argument("--name", type=_label, required=True, help="whose it is")
    create.add_argument("--account", type=_account, help="whose tasks and limits to share; default: its own")
    for limit, words in LIMITS.items():
        flag = f"--{limit.replace('_', '-')}"
        create.add_argument(flag, type=_number, default=argparse.SUPPRESS, help=f"{words} (default {usual[limit]})")
    commands.add_parser("list", help="ids, names and limits; never the keys")
    disable = commands.add_parser("disable", help="the key, its links and its open streams end, within 10 s")
    disable.add_argument("id", help="as `list` shows it")
    disable.add_argument("--cancel-jobs", action="store_true", help="cancel also its jobs that have not begun")
    return parser


def _create(keys: Keys, given: argparse.Namespace) -> None:
    """Make and print a key. Limits that are not given are those of the account, when it has a key already."""
    before = keys.allowance_of(given.account) if given.account else Allowance()
    named = {limit.name: getattr(given, limit.name) for limit in fields(Allowance) if hasattr(given, limit.name)}
    key, record = keys.create(given.name, replace(before, **named), given.account)
    print(f"{key}\n{_line(record)}\nThe key is shown this once. From now on the API asks for keys.")


def _cancel_waiting(store: JobStore, keys: Keys, key: Key) -> int:
    """Cancel the jobs made with a disabled key that have not begun; returns how many.

    Which key a job of an older version was made with is not known: it goes too, if its account has no good key left.
    """
    theirs = {key.id} if keys.states.is_living(Grant(key.account)) else {key.id, None}
    cancelled = 0
    for job_id, key_id in store.reader.waiting_for(key.account).items():
        if key_id in theirs:
            with suppress(Conflict, NotFound):  # begun and ended meanwhile
                cancelled += store.cancel(job_id).status is Status.CANCELLED
    return cancelled


def _line(key: Key) -> str:
    limits = " ".join(f"{name}={value}" for name, value in asdict(key.allowance).items())
    return f"{key.id}  {'disabled' if key.disabled else 'active':8}  {key.name}  account={key.account}  {limits}"


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        settings = read_settings(API)
        keys = Keys(client := connect(settings))
        if given.command == "create":
            _create(keys, given)
        elif given.command == "list":
            print("\n".join(map(_line, keys.all())) or "no keys: the API is open to whoever reaches it")
        else:
            print(_line(key := keys.disable(given.id)))
            if given.cancel_jobs:
                print(f"{_cancel_waiting(JobStore(client, settings), keys, key)} waiting jobs are cancelled")
    except OstinatoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
