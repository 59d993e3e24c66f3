"""Jobs that failed before they began, for a protocol where bad input is a failed job and not a refused call.

Their ids can be asked for as any job's for an hour. They never were jobs: nothing of them is queued or counted.
"""

from __future__ import annotations

import json
from typing import Any

import redis

from shared.connection import ROOT_KEY, translated

LIFETIME_S = 3600


class Refusals:
    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client

    def keep(self, account: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Remember the answer under its `id`, and give it back."""
        with translated():
            self._redis.set(self._key(account, answer["id"]), json.dumps(answer), ex=LIFETIME_S)
        return answer

    def find(self, account: str, task_id: str) -> dict[str, Any] | None:
        with translated():
            text = self._redis.get(self._key(account, task_id))
        found: dict[str, Any] | None = json.loads(text) if text else None
        return found

    def _key(self, account: str, task_id: str) -> str:
        return f"{ROOT_KEY}:refused:{account}:{task_id}"
