"""Links to audio that need no key, because they are signed and run out: for players and browsers, as S3's are.

The secret is made once and kept in Redis, so that all API processes agree on it and a restart keeps links alive.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import redis

from shared.connection import ROOT_KEY, translated


class Signer:
    def __init__(self, client: redis.Redis, lifetime_s: int) -> None:
        self._redis: Any = client
        self._lifetime_s = lifetime_s
        self._secret: bytes | None = None

    def sign(self, path: str, account: str, lifetime_s: int | None = None) -> str:
        """The path with a query that lets anyone fetch it, as that account, until it runs out."""
        expires = str(int(time.time()) + (lifetime_s or self._lifetime_s))
        query = {"account": account, "expires": expires, "signature": self._signature(path, account, expires)}
        return f"{path}?{urlencode(query)}"

    def account_of(self, path: str, query: Mapping[str, str]) -> str | None:
        """The account that a signed, living link speaks for; None for any other request."""
        account, expires, given = (query.get(name, "") for name in ("account", "expires", "signature"))
        if not given or not expires.isascii() or not expires.isdigit() or int(expires[:12]) < time.time():
            return None
        right = hmac.compare_digest(given.encode(), self._signature(path, account, expires).encode())
        return account if right else None

    def _signature(self, path: str, account: str, expires: str) -> str:
        message = "\n".join((path, account, expires)).encode()
        return hmac.new(self._load(), message, hashlib.sha256).hexdigest()

    def _load(self) -> bytes:
        if self._secret is None:
            key = f"{ROOT_KEY}:link-secret"
            with translated():
                self._redis.set(key, secrets.token_hex(32), nx=True)
                self._secret = str(self._redis.get(key)).encode()
        return self._secret
