"""API keys: made, listed and disabled by `python -m api.keys`, kept in Redis as hashes, looked up at each request.

A key is `ost_<id>_<secret>`. The id finds the record, the secret's SHA-256 is compared in constant time; 256 random
bits need no slower hash. Keys of the environment (API_KEYS) are an account each and have the default limits.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import redis

from shared.connection import ROOT_KEY, connect, translated
from shared.errors import NotFound, OstinatoError
from shared.settings import read_settings

PREFIX = "ost"
SNAPSHOT_AGE_S = 1.0


@dataclass(frozen=True)
class Allowance:
    """What an account may do. None is no limit; `concurrent` bounds running jobs, more wait in the queue."""

    rpm: int | None = 100
    rpd: int | None = None
    concurrent: int | None = 10
    monthly_bytes: int | None = 10**9


@dataclass(frozen=True)
class Key:
    """What is kept of a key. `account` owns the tasks made with it."""

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
    """All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(self, client: redis.Redis, static: tuple[str, ...] = ()) -> None:
        self._redis: Any = client
        self._hash = f"{ROOT_KEY}:keys"
        self._static = tuple(_static_key(key) for key in static)
        self._known: tuple[float, bool] = (0.0, False)

    def create(self, name: str, allowance: Allowance, account: str | None = None) -> tuple[str, Key]:
        """(the key, which is shown once and never kept, its record). Keys of one `account` share its tasks."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        record = Key(key_id, name, account or f"key-{key_id}", _digest(secret), time.time(), allowance=allowance)
        with translated():
            self._redis.hset(self._hash, key_id, record.as_json())
        return f"{PREFIX}_{key_id}_{secret}", record

    def all(self) -> list[Key]:
        """Those in Redis, oldest first."""
        with translated():
            texts = self._redis.hvals(self._hash)
        return sorted(map(Key.from_json, texts), key=lambda key: key.created_at)

    def disable(self, key_id: str) -> Key:
        """Raises NotFound."""
        with translated():
            text = self._redis.hget(self._hash, key_id)
        if text is None:
            raise NotFound(f"no key {key_id!r}; `list` shows their ids")
        record = Key(**{**Key.from_json(text).__dict__, "disabled": True})
        with translated():
            self._redis.hset(self._hash, key_id, record.as_json())
        return record

    def exist(self) -> bool:
        """Whether any key was ever made; disabling the last one does not open the door again. At most a second old."""
        if self._static:
            return True
        at, known = self._known
        if not known and time.monotonic() - at > SNAPSHOT_AGE_S:
            with translated():
                known = bool(self._redis.hlen(self._hash))
            self._known = (time.monotonic(), known)
        return known

    def find(self, given: str) -> Key | None:
        """The record of a key that is right and not disabled."""
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
    return Key(f"static-{digest[:8]}", "API_KEYS", f"static-{digest[:12]}", digest, 0.0)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _number(text: str) -> int | None:
    """A positive whole number, or `none` for no limit."""
    if text == "none":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: send a whole number from 1, or none for no limit")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    usual = Allowance()
    parser = argparse.ArgumentParser(prog="api.keys", description="API keys, kept in the Redis of REDIS_URL")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and print it, once")
    create.add_argument("--name", required=True, help="whose it is")
    create.add_argument("--account", help="share the tasks and limits of an account; default: one of its own")
    create.add_argument("--rpm", type=_number, default=usual.rpm, help="submissions a minute (default %(default)s)")
    create.add_argument("--rpd", type=_number, default=usual.rpd, help="submissions a day (default %(default)s)")
    create.add_argument(
        "--concurrent", type=_number, default=usual.concurrent, help="jobs that run at once (default %(default)s)"
    )
    create.add_argument(
        "--monthly-bytes", type=_number, default=usual.monthly_bytes, help="audio served (default %(default)s)"
    )
    commands.add_parser("list", help="ids, names and limits; never the keys")
    commands.add_parser("disable", help="from now on the key is refused").add_argument("id")
    return parser


def _line(key: Key) -> str:
    limits = " ".join(f"{name}={value}" for name, value in asdict(key.allowance).items())
    return f"{key.id}  {'disabled' if key.disabled else 'active':8}  {key.name}  account={key.account}  {limits}"


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        keys = Keys(connect(read_settings()))
        if given.command == "create":
            allowance = Allowance(given.rpm, given.rpd, given.concurrent, given.monthly_bytes)
            key, record = keys.create(given.name, allowance, given.account)
            print(f"{key}\n{_line(record)}\nThe key is shown this once. From now on the API asks for keys.")
        elif given.command == "list":
            print("\n".join(map(_line, keys.all())) or "no keys: the API is open to whoever reaches it")
        else:
            print(_line(keys.disable(given.id)))
    except OstinatoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
