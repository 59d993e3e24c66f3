"""Sign links that need no key, because they run out and end with the key that they were made with, and read them.

For players, browsers and receivers of webhooks, which can send no key, as S3's presigned links are. The secret is made
once and kept in Redis, so that all processes agree on it and a restart keeps links alive.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import redis

from shared.accounts.key_states import Grant
from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS


@dataclass(frozen=True)
class Link:
    """Hold a link whose signature is right: on whose behalf, and until when (UNIX seconds)."""

    grant: Grant
    expires_at: int

    @property
    def expired(self) -> bool:
        return self.expires_at < time.time()


class Signer:
    """Sign and read links. They live `lifetime_s`, unless they are made for a shorter time."""

    def __init__(self, client: redis.Redis, lifetime_s: int) -> None:
        self._redis = commands_of(client)
        self._lifetime_s = lifetime_s
        self._secret: bytes | None = None

    def sign(self, path: str, grant: Grant, lifetime_s: int | None = None, not_after: int | None = None) -> str:
        """Return the path with a query that lets anyone fetch it on that behalf, until it runs out."""
        ends_at = int(time.time()) + (lifetime_s or self._lifetime_s)
        expires = str(ends_at if not_after is None else min(ends_at, not_after))
        query = {"account": grant.account, "expires": expires}
        query |= {"key": grant.key_id} if grant.key_id is not None else {}
        return f"{path}?{urlencode(query | {'signature': self._signature(path, grant, expires)})}"

    def read(self, path: str, query: Mapping[str, str]) -> Link | None:
        """Return what a link with a right signature says, also of one that has run out; None for any other request."""
        account, expires, given = (query.get(name, "") for name in ("account", "expires", "signature"))
        if not given or not expires.isascii() or not expires.isdigit():
            return None
        grant = Grant(account, query.get("key"))
        right = hmac.compare_digest(given.encode(), self._signature(path, grant, expires).encode())
        return Link(grant, int(expires[:12])) if right else None

    def token_of(self, share_id: str) -> str:
        """Return what a link that shares a task carries, which nobody can guess or make."""
        return f"{share_id}-{self._hmac('share', share_id)}"

    def share_of(self, token: str) -> str | None:
        """Return the id of the share whose token that is; None for anything that was never one."""
        share_id, _, given = token.partition("-")
        return share_id if hmac.compare_digest(given.encode(), self._hmac("share", share_id).encode()) else None

    def _signature(self, path: str, grant: Grant, expires: str) -> str:
        """Return what is signed.

        Links of an older version name no key; a path begins with a slash, so the two are never mistaken.
        """
        named = () if grant.key_id is None else ("key", grant.key_id)
        return self._hmac(*named, path, grant.account, expires)

    def _hmac(self, *parts: str) -> str:
        message = "\n".join(parts).encode("utf-8", "replace")
        return hmac.new(self._load(), message, hashlib.sha256).hexdigest()

    def _load(self) -> bytes:
        if self._secret is None:
            key = REDIS_KEYS.link_secret()
            with translated():
                self._redis.set(key, secrets.token_hex(32), nx=True)
                self._secret = str(self._redis.get(key)).encode()
        return self._secret
