"""What RunPod's protocol must remember beside the jobs: those that failed before they began, remarks, streams read.

Bad input is a failed job there, not a refused call: its id can be asked for as any job's, for an hour, though nothing
was ever queued or counted. A remark is a warning that belongs into the job's output.
"""

from __future__ import annotations

import json
from typing import Any

import redis

from shared.connection import ROOT_KEY, translated

REFUSALS_KEPT_S = 3600


class SideNotes:
    """All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(self, client: redis.Redis, remarks_kept_s: int) -> None:
        self._redis: Any = client
        self._remarks_kept_s = remarks_kept_s

    def refuse(self, account: str, answer: dict[str, Any]) -> dict[str, Any]:
        """Remember the answer under its `id`, and give it back."""
        with translated():
            self._redis.set(self._refusal(account, answer["id"]), json.dumps(answer), ex=REFUSALS_KEPT_S)
        return answer

    def refusal(self, account: str, task_id: str) -> dict[str, Any] | None:
        with translated():
            text = self._redis.get(self._refusal(account, task_id))
        found: dict[str, Any] | None = json.loads(text) if text else None
        return found

    def remark(self, task_id: str, *remarks: str) -> None:
        """Keep the remarks on a job; empty ones are none."""
        if words := "\n".join(filter(None, remarks)):
            with translated():
                self._redis.set(f"{ROOT_KEY}:remark:{task_id}", words, ex=self._remarks_kept_s)

    def remarks(self, task_id: str) -> list[str]:
        with translated():
            words = self._redis.get(f"{ROOT_KEY}:remark:{task_id}")
        return words.split("\n") if words else []

    def was_handed_out(self, task_id: str) -> bool:
        with translated():
            return bool(self._redis.exists(f"{ROOT_KEY}:streamed:{task_id}"))

    def hand_out(self, task_id: str) -> bool:
        """Whether nobody was given this job's stream yet: each of its chunks is handed out once."""
        with translated():
            return bool(self._redis.set(f"{ROOT_KEY}:streamed:{task_id}", 1, nx=True, ex=self._remarks_kept_s))

    def _refusal(self, account: str, task_id: str) -> str:
        return f"{ROOT_KEY}:refused:{account}:{task_id}"
