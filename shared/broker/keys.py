"""Name every key of Ostinato in Redis: one method a family, whose docstring says the type and what it holds.

The Lua scripts have the same families, `<family>_key`, from shared/jobs/lua/includes/keys.lua; a test holds the two
equal. Ids, models, accounts and blob names hold whatever they may: no key is ever taken apart. Beside these there are
only Celery's own lists, `ostinato.<model>` (shared/music/catalog.py).
"""

from __future__ import annotations

from dataclasses import dataclass

ROOT_KEY = "ostinato"  # every key of ours hangs below it


@dataclass(frozen=True)
class RedisKeys:
    """Name the keys of one installation. Times in scores are UNIX milliseconds by the clock of the Redis server."""

    root: str = ROOT_KEY

    # jobs

    def job(self, job_id: str) -> str:
        """Name the hash of a job's record (shared/jobs/serialization.py)."""
        return f"{self.root}:job:{job_id}"

    def events(self, job_id: str) -> str:
        """Name the stream of what happened to a job: type, at_ms, and what applies."""
        return f"{self.root}:events:{job_id}"

    def chunks(self, job_id: str) -> str:
        """Name the stream of a job's sound while it is made: kind (begin, restart, audio, end), rate, channels, pcm."""
        return f"{self.root}:chunks:{job_id}"

    def deliveries(self, job_id: str) -> str:
        """Name the hash event -> record of the deliveries of a job's webhook."""
        return f"{self.root}:deliveries:{job_id}"

    def batch(self, batch_id: str) -> str:
        """Name the hash of a batch: account, source, created_ms, ids (with a space between), open (how many have not
        ended), and job id -> how it ended."""
        return f"{self.root}:batch:{batch_id}"

    def account_jobs(self, account: str) -> str:
        """Name the zset id -> arrival number of all of an account's jobs."""
        return f"{self.root}:account:{account}"

    def idempotency(self, account: str, key: str) -> str:
        """Name the hash of what was accepted under an Idempotency-Key: id, digest."""
        return f"{self.root}:idem:{account}:{key}"

    def arrivals(self) -> str:
        """Name the string that counts the jobs that were ever accepted: the last one's arrival number."""
        return f"{self.root}:places"

    def models(self) -> str:
        """Name the set of the models that ever had a job."""
        return f"{self.root}:models"

    def dead_letters(self) -> str:
        """Name the zset id -> when its attempts were used up."""
        return f"{self.root}:dead"

    def blob_refs(self, blob: str) -> str:
        """Name the zset job id -> until when it needs the blob; +inf until it ends."""
        return f"{self.root}:refs:{blob}"

    # single flight

    def single_flight(self, cache_key: str) -> str:
        """Name the string with the id of the job that makes, or made, the music of that digest."""
        return f"{self.root}:flight:{cache_key}"

    def duplicates(self, job_id: str) -> str:
        """Name the zset id -> arrival number of the jobs that share a job's generation."""
        return f"{self.root}:followers:{job_id}"

    def successor(self, job_id: str) -> str:
        """Name the string with the id of the duplicate that took over a running job that left."""
        return f"{self.root}:successor:{job_id}"

    # jobs that wait for other jobs

    def blocked(self) -> str:
        """Name the set of the jobs that wait for others."""
        return f"{self.root}:held"

    def blockers(self, job_id: str) -> str:
        """Name the set of the jobs that a job still waits for."""
        return f"{self.root}:after:{job_id}"

    def dependents(self, job_id: str) -> str:
        """Name the zset id -> arrival number of the jobs that wait for a job."""
        return f"{self.root}:dependents:{job_id}"

    # the waiting line

    def queue(self, priority: str, model: str) -> str:
        """Name the zset <arrival number>:<id> -> virtual finish time: who is next, whatever the account."""
        return f"{self.root}:line:{priority}:{model}"

    def account_queue(self, priority: str, model: str, account: str) -> str:
        """Name the zset of one account's part of the line, the same members."""
        return f"{self.root}:own:{priority}:{model}:{account}"

    def parked(self, priority: str, model: str, account: str) -> str:
        """Name the zset <arrival number>:<id> -> arrival number of an account's jobs beyond what may run at once."""
        return f"{self.root}:aside:{priority}:{model}:{account}"

    def queue_state(self, model: str) -> str:
        """Name the hash of a line: <priority> -> the finish time served last, claims, audio_ms (all that waits),
        aside_<priority> (how many are parked), held (how many are blocked), queue and ticket (the last one), knocks."""
        return f"{self.root}:turns:{model}"

    def parked_accounts(self) -> str:
        """Name the set of the accounts with parked jobs."""
        return f"{self.root}:asides"

    def parked_queues(self, account: str) -> str:
        """Name the set of "<priority> <model>" where an account has parked jobs."""
        return f"{self.root}:asides:{account}"

    def concurrency_limits(self) -> str:
        """Name the hash account -> how many jobs may run at once; who is not in it has no limit."""
        return f"{self.root}:concurrent"

    def old_queue(self, model: str) -> str:
        """Name the zset id -> arrival number in which a version before schema 2 kept its line."""
        return f"{self.root}:waiting:{model}"

    # attempts

    def leases(self) -> str:
        """Name the zset id -> the end of a running job's lease."""
        return f"{self.root}:leases"

    def deadlines(self) -> str:
        """Name the zset id -> when it must have begun or, once begun, have ended."""
        return f"{self.root}:deadlines"

    def model_running(self, model: str) -> str:
        """Name the zset id -> since when a model's job runs."""
        return f"{self.root}:active:{model}"

    def worker_running(self, worker: str) -> str:
        """Name the hash id -> isolation ('' | its cohort's name | 'alone') of the jobs that a worker runs."""
        return f"{self.root}:running:{worker}"

    def account_running(self, account: str) -> str:
        """Name the set of an account's running jobs; duplicates do not count."""
        return f"{self.root}:runs:{account}"

    def cohort(self, worker: str) -> str:
        """Name the string with the name of the cohort that died with a worker."""
        return f"{self.root}:company:{worker}"

    def throughput(self, model: str) -> str:
        """Name the list of "<audio ms>:<run ms>" of a model's last finished jobs, newest first."""
        return f"{self.root}:pace:{model}"

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
