"""Remember what RunPod's protocol needs beside the jobs: refused ones, remarks, streams that were read.

Bad input is a failed job there, not a refused call: its id can be asked for as any job's, for an hour, though nothing
was ever queued or counted. Of such an account keeps only its last ones, and of each only so much: whoever sends nothing
but bad input must not fill the broker. A remark is a warning that belongs into the job's output.
"""

from __future__ import annotations

import json

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS
from shared.dialects.runpod_schemas import RunState
from shared.errors.field_errors import shortened

REFUSALS_KEPT_S = 3600
REFUSALS_KEPT = 200  # of one account
REFUSAL_BYTES = 4096


class RunpodNotes:
    """Keep notes in Redis. All methods raise BrokerUnavailable while it does not respond."""

    def __init__(self, client: redis.Redis, remarks_kept_s: int) -> None:
        self._client, self._redis = client, commands_of(client)
        self._remarks_kept_s = remarks_kept_s

    def refuse(self, account: str, state: RunState) -> RunState:
        """Remember a refused job's state under its `id`, and return it as it is kept, its `error` cut."""
        kept = _cut(state)
        index, task_id = REDIS_KEYS.refusals(account), state["id"]
        with translated():
            pipe = self._redis.pipeline()
            pipe.set(REDIS_KEYS.refusal(account, task_id), json.dumps(kept), ex=REFUSALS_KEPT_S)
            pipe.lpush(index, task_id)
            pipe.expire(index, REFUSALS_KEPT_S)
            pipe.lrange(index, REFUSALS_KEPT, -1)
            pipe.ltrim(index, 0, REFUSALS_KEPT - 1)
            *_, forgotten, _ = pipe.execute()
            if forgotten:
                self._redis.delete(*(REDIS_KEYS.refusal(account, each) for each in forgotten))
        return kept

    def refusal(self, account: str, task_id: str) -> RunState | None:
        with translated():
            text = self._redis.get(REDIS_KEYS.refusal(account, task_id))
        found: RunState | None = json.loads(text) if text else None
        return found

    def remark(self, task_id: str, *remarks: str) -> None:
        """Keep the remarks on a job; empty ones are none."""
        if words := "\n".join(filter(None, remarks)):
            with translated():
                self._redis.set(REDIS_KEYS.remark(task_id), words, ex=self._remarks_kept_s)

    def remarks(self, task_id: str) -> list[str]:
        return remarks_on(self._client, task_id)

    def was_handed_out(self, task_id: str) -> bool:
        with translated():
            return bool(self._redis.exists(REDIS_KEYS.handed_out(task_id)))

    def hand_out(self, task_id: str) -> bool:
        """Return whether nobody was given this job's stream yet: each of its chunks is handed out once."""
        with translated():
            return bool(self._redis.set(REDIS_KEYS.handed_out(task_id), 1, nx=True, ex=self._remarks_kept_s))


def remarks_on(client: redis.Redis, task_id: str) -> list[str]:
    """Return the remarks that are kept on a job. Raises BrokerUnavailable."""
    connection = commands_of(client)
    with translated():
        words: str | None = connection.get(REDIS_KEYS.remark(task_id))
    return words.split("\n") if words else []


def _cut(state: RunState) -> RunState:
    """Return the state with an `error` so short that its JSON has at most REFUSAL_BYTES."""
    error = state["error"]
    while len(json.dumps({**state, "error": error})) > REFUSAL_BYTES:
        error = shortened(error, len(error) * 3 // 4)
    return {**state, "error": error}
