"""Name every key of Ostinato in Redis: one method a family, whose docstring says the type and what it holds.

The Lua scripts have those that they name as `<family>_key`, from shared/jobs/lua/includes/keys.lua, which
`python -m tools.lua_keys` writes. Ids, models, accounts and blob names hold whatever they may: no key is ever taken
apart. Beside these there are only Celery's own lists, `ostinato.<model>` (shared/music/catalog.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.broker.job_keys import JobKeys

ROOT_KEY = "ostinato"  # every key of ours hangs below it


@dataclass(frozen=True)
class RedisKeys(JobKeys):
    """Name the keys of one installation: those of jobs (job_keys.py), and here all others."""

    root: str = ROOT_KEY

    # workers

    def workers(self) -> str:
        """Name the set of the workers that announced themselves."""
        return f"{self.root}:workers"

    def worker(self, worker: str) -> str:
        """Name the string with a live worker's record, JSON, under a lifetime that it renews."""
        return f"{self.root}:worker:{worker}"

    def drained(self) -> str:
        """Name the set of the workers that are to claim nothing."""
        return f"{self.root}:drained"

    def tokenizer(self, digest: str) -> str:
        """Name the string with a tokenizer that a worker left for the API."""
        return f"{self.root}:tokenizer:{digest}"

    # webhooks

    def webhooks_due(self) -> str:
        """Name the zset <job id>|<event>|<at_ms> -> when to deliver: what no dispatcher has sorted yet."""
        return f"{self.root}:webhooks:due"

    def receivers(self) -> str:
        """Name the zset receiver -> when its queue is to be looked at again."""
        return f"{self.root}:webhooks:lanes"

    def receiver_queue(self, receiver: str) -> str:
        """Name the zset delivery -> when due of what waits for one receiver."""
        return f"{self.root}:webhooks:lane:{receiver}"

    def receiver_sending(self, receiver: str) -> str:
        """Name the zset delivery -> the lease's end of what is being sent to one receiver."""
        return f"{self.root}:webhooks:sending:{receiver}"

    def webhook_secrets(self) -> str:
        """Name the hash account -> its own secrets, the newest first, with commas between."""
        return f"{self.root}:webhooks:secrets"

    # accounts

    def api_keys(self) -> str:
        """Name the hash key id -> record of an API key, JSON."""
        return f"{self.root}:keys"

    def allowances(self) -> str:
        """Name the hash account -> its allowance, JSON."""
        return f"{self.root}:allowances"

    def rate_limits(self) -> str:
        """Name the beginning of the rate limits' windows, which the library `limits` completes."""
        return f"{self.root}:limits"

    def bytes_served(self, account: str, month: str) -> str:
        """Name the string that counts the bytes of audio an account was given in a month, YYYYMM."""
        return f"{self.root}:bytes:{account}:{month}"

    def counted_link(self, account: str, task_id: str) -> str:
        """Name the string that says that a link to a task's audio was counted already."""
        return f"{self.root}:linked:{account}:{task_id}"

    def link_secret(self) -> str:
        """Name the string with the secret that signs links."""
        return f"{self.root}:link-secret"

    # housekeeping

    def counters(self) -> str:
        """Name the hash of what is counted over all processes: words joined by `|` -> count."""
        return f"{self.root}:counters"

    def minute_counts(self, minute: int) -> str:
        """Name the hash of what was counted in a minute since 1970, of all processes: words joined by `|` -> count."""
        return f"{self.root}:minute:{minute}"

    def audit_log(self) -> str:
        """Name the stream of what operators did: asked (actor, action, target), and its end (of, outcome, detail)."""
        return f"{self.root}:audit"

    def reaper_lock(self) -> str:
        """Name the lock of the process that runs the reaper."""
        return f"{self.root}:sweeper"

    def cleaner_lock(self) -> str:
        """Name the lock of the process that deletes blobs."""
        return f"{self.root}:cleaner"

    def installation(self) -> str:
        """Name the string with the name of all that works with this Redis."""
        return f"{self.root}:installation"

    def outside_blobs(self) -> str:
        """Name the set of the keys of blobs that lie outside our folder."""
        return f"{self.root}:outside"

    # dialects

    def refusal(self, account: str, task_id: str) -> str:
        """Name the string with what /v2 says of a job that failed before it began, JSON."""
        return f"{self.root}:refused:{account}:{task_id}"

    def refusals(self, account: str) -> str:
        """Name the list of the ids of an account's refusals, newest first."""
        return f"{self.root}:refusals:{account}"

    def remark(self, task_id: str) -> str:
        """Name the string with the warnings that belong into a job's output, lines."""
        return f"{self.root}:remark:{task_id}"

    def handed_out(self, task_id: str) -> str:
        """Name the string that says that a job's stream was handed out."""
        return f"{self.root}:streamed:{task_id}"

    def stored_files(self, account: str) -> str:
        """Name the zset task id -> when it was made of what /files/ lists."""
        return f"{self.root}:files:{account}"


REDIS_KEYS = RedisKeys()
