"""Submit a chaos run's jobs over HTTP and poll them, as a well-behaved client does.

A 429, a 503 and a connection that breaks off are tried again, a submit under its Idempotency-Key. What took too long is
counted.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from chaos.plan import JobSpec
from shared.retry import Backoff, retry_until

SLOW_S = 4.0  # a reply, also a 503, is to come within two seconds; twice that on a machine with nothing to spare
GIVE_UP_S = 180.0
WAIT_S = 1.0


class ClientGaveUp(Exception):
    """Say that the service did not come back."""


@dataclass
class ReplyCounts:
    """Count how the service replied."""

    refused: int = 0  # 429, 503
    faults: int = 0  # any other 5xx, which none should be
    broken: int = 0  # no reply at all
    slow: int = 0
    slowest_s: float = 0.0
    without_retry_after: int = 0


@dataclass
class SubmittedJob:
    """Follow one accepted job to its end."""

    spec: JobSpec
    task_id: str
    status: str = "processing"
    task: dict[str, Any] = field(default_factory=dict)
    digest: str = ""  # of the audio when the task had ended
    digest_later: str = ""  # and when everything had


class Client:
    """Submit jobs to one server and poll them; count how it replied, in `replies`."""

    def __init__(self, url: str, hook_url: str | None) -> None:
        self.replies = ReplyCounts()
        self._hook_url = hook_url
        self._http = httpx.Client(base_url=url, timeout=30.0)

    def submit(self, spec: JobSpec) -> SubmittedJob:
        fields = {"seed": spec.seed, **spec.fields}
        if self._hook_url is not None:
            fields |= {"webhook_url": self._hook_url, "webhook_events": ["completed", "failed"]}
        reply = self._insist("POST", "/tasks", json=fields, headers={"Idempotency-Key": spec.key})
        if reply.status_code != 202:
            raise ClientGaveUp(f"a submit was answered {reply.status_code}: {reply.text[:300]}")
        return SubmittedJob(spec, str(reply.json()["task_id"]))

    def poll(self, job: SubmittedJob) -> None:
        """Poll the job once; what fails now is polled again later."""
        reply = self._ask("GET", f"/tasks/{job.task_id}")
        if reply is not None and reply.status_code in (200, 404):
            job.task = reply.json()
            job.status = job.task.get("status", "missing") if reply.status_code == 200 else "missing"

    def fetch_digest(self, job: SubmittedJob) -> str:
        """Fetch the audio through the task's current link, and return its digest."""
        task = self._insist("GET", f"/tasks/{job.task_id}").json()
        reply = self._insist("GET", str(self._http.base_url.join(task["audio_url"])))
        return hashlib.sha256(reply.content).hexdigest() if reply.status_code == 200 else str(reply.status_code)

    def close(self) -> None:
        self._http.close()

    def _insist(self, method: str, path: str, **options: Any) -> httpx.Response:
        reply = retry_until(
            time.monotonic() + GIVE_UP_S,
            lambda: self._ask(method, path, **options),
            is_done=lambda reply: reply is not None,
            backoff=Backoff(WAIT_S),
        )
        if reply is None:
            raise ClientGaveUp(f"{method} {path} found no answer in {GIVE_UP_S:.0f} s")
        return reply

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Send a request once; None for "not now"."""
        since = time.monotonic()
        try:
            reply = self._http.request(method, path, **options)
        except httpx.TransportError:
            self.replies.broken += 1
            return None
        finally:
            self._count(time.monotonic() - since)
        if reply.status_code in (429, 503):
            self.replies.refused += 1
            self.replies.without_retry_after += "Retry-After" not in reply.headers
            return None
        if reply.status_code >= 500:
            self.replies.faults += 1
            return None
        return reply

    def _count(self, seconds: float) -> None:
        self.replies.slowest_s = max(self.replies.slowest_s, seconds)
        self.replies.slow += seconds > SLOW_S
