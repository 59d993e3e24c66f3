"""Name the keys of jobs in Redis: their records, the line in which they wait, and the attempts at them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobKeys:
    """Name the keys of jobs. Times in scores are UNIX milliseconds by the clock of the Redis server."""

    root: str

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

    def all_jobs(self) -> str:
        """Name the zset id -> arrival number of the last jobs of all accounts, for operators."""
        return f"{self.root}:jobs"

    def favourites(self, account: str) -> str:
        """Name the zset id -> arrival number of an account's favourites."""
        return f"{self.root}:favourites:{account}"

    def shares(self, job_id: str) -> str:
        """Name the zset share id -> when it ends of the links that share a job."""
        return f"{self.root}:shares:{job_id}"

    def account_shares(self, account: str) -> str:
        """Name the zset share id -> when it ends of all links that an account shares by."""
        return f"{self.root}:account-shares:{account}"

    def share(self, share_id: str) -> str:
        """Name the hash of one link that shares a job: job_id, account, key_id, created_ms, expires_ms."""
        return f"{self.root}:share:{share_id}"

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

    def worker_throughput(self, worker: str) -> str:
        """Name the list of the same of a worker's own last finished jobs, under a lifetime."""
        return f"{self.root}:worker-pace:{worker}"
