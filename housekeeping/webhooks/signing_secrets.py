"""Keep the secrets that sign each account's webhooks; and the command that makes them.

    python -m housekeeping.secrets make ACCOUNT      a new secret, printed once; the one before signs beside it
    python -m housekeeping.secrets retire ACCOUNT    the one before signs no more
    python -m housekeeping.secrets remove ACCOUNT    back to WEBHOOK_SECRET

They are kept in Redis, because signing needs them in the clear: whoever reads that Redis can forge webhooks.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from base64 import b64encode
from collections.abc import Sequence

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import connect, translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.errors import NotFound, OstinatoError
from shared.settings import HOUSEKEEPING, SECRET_PREFIX, read_settings

SECRET_BYTES = 32


class WebhookSecrets:
    """Keep the secrets of all accounts. All methods raise BrokerUnavailable when Redis does not respond in time."""

    def __init__(self, client: redis.Redis, default: Sequence[str], root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._default = tuple(default)
        self._key = RedisKeys(root).webhook_secrets()

    def of(self, account: str) -> tuple[str, ...]:
        """Return the account's own, or else the operator's (WEBHOOK_SECRET), or none; the newest first."""
        return self._own(account) or self._default

    def make(self, account: str) -> str:
        secret = SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        self._keep(account, (secret, *self._own(account)[:1]))
        return secret

    def retire(self, account: str) -> None:
        """Let only the newest secret sign. Raises NotFound when the account has no secret of its own."""
        if not (own := self._own(account)):
            raise NotFound(f"the account {account!r} has no secret of its own; make one")
        self._keep(account, own[:1])

    def remove(self, account: str) -> None:
        with translated():
            self._redis.hdel(self._key, account)

    def _own(self, account: str) -> tuple[str, ...]:
        with translated():
            text = self._redis.hget(self._key, account)
        return tuple(text.split(",")) if text else ()

    def _keep(self, account: str, own: Sequence[str]) -> None:
        with translated():
            self._redis.hset(self._key, account, ",".join(own))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="housekeeping.secrets", description="secrets that sign an account's webhooks")
    parser.add_argument("command", choices=("make", "retire", "remove"))
    parser.add_argument("account")
    given = parser.parse_args(arguments)
    try:
        settings = read_settings(HOUSEKEEPING)
        kept = WebhookSecrets(connect(settings), settings.webhook_secret)
        if given.command == "make":
            print(f"{kept.make(given.account)}\nThe secret is shown this once. It signs from now on.")
        else:
            (kept.retire if given.command == "retire" else kept.remove)(given.account)
            print(f"{given.account}: {len(kept.of(given.account))} secrets sign")
    except OstinatoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
