"""The caller of a chaos run: submits jobs over HTTP and asks after them, as a well-behaved client does.

A 429, a 503 and a connection that breaks off are answered by trying again, a submit under its Idempotency-Key. Counts
what took too long; knows nothing of what is being broken.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from chaos.plan import Wish
from shared.retry import Backoff, retry_until

SLOW_S = 4.0  # an answer, also a 503, is to come within two seconds; twice that on a machine with nothing to spare
GIVE_UP_S = 180.0
WAIT_S = 1.0


class CallerGaveUp(Exception):
    """The service did not come back."""


@dataclass
class Answers:
    """How the service answered."""

    refused: int = 0  # 429, 503
    faults: int = 0  # any other 5xx, which none should be
    broken: int = 0  # no answer at all
    slow: int = 0
    slowest_s: float = 0.0
    without_retry_after: int = 0


@dataclass
class Order:
    """One accepted wish, and what became of it."""

    wish: Wish
    task_id: str
    status: str = "processing"
    task: dict[str, Any] = field(default_factory=dict)
    digest: str = ""  # of the audio when the task had ended
    digest_later: str = ""  # and when everything had


class Caller:
    def __init__(self, url: str, hook_url: str | None) -> None:
        self.answers = Answers()
        self._hook_url = hook_url
        self._http = httpx.Client(base_url=url, timeout=30.0)

    def submit(self, wish: Wish) -> Order:
        fields = {"seed": wish.seed, **wish.fields}
        if self._hook_url is not None:
            fields |= {"webhook_url": self._hook_url, "webhook_events": ["completed", "failed"]}
        answer = self._insist("POST", "/tasks", json=fields, headers={"Idempotency-Key": wish.key})
        if answer.status_code != 202:
            raise CallerGaveUp(f"a submit was answered {answer.status_code}: {answer.text[:300]}")
        return Order(wish, str(answer.json()["task_id"]))

    def look(self, order: Order) -> None:
        """Ask once; what cannot be answered now is asked again later."""
        answer = self._ask("GET", f"/tasks/{order.task_id}")
        if answer is not None and answer.status_code in (200, 404):
            order.task = answer.json()
            order.status = order.task.get("status", "missing") if answer.status_code == 200 else "missing"

    def listen(self, order: Order) -> str:
        """The digest of its audio, fetched through the link of the task as it is now."""
        task = self._insist("GET", f"/tasks/{order.task_id}").json()
        answer = self._insist("GET", str(self._http.base_url.join(task["audio_url"])))
        return hashlib.sha256(answer.content).hexdigest() if answer.status_code == 200 else str(answer.status_code)

    def close(self) -> None:
        self._http.close()

    def _insist(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = retry_until(
            time.monotonic() + GIVE_UP_S,
            lambda: self._ask(method, path, **options),
            is_done=lambda answer: answer is not None,
            backoff=Backoff(WAIT_S),
        )
        if answer is None:
            raise CallerGaveUp(f"{method} {path} found no answer in {GIVE_UP_S:.0f} s")
        return answer

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """None for "not now"."""
        since = time.monotonic()
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError:
            self.answers.broken += 1
            return None
        finally:
            self._count(time.monotonic() - since)
        if answer.status_code in (429, 503):
            self.answers.refused += 1
            self.answers.without_retry_after += "Retry-After" not in answer.headers
            return None
        if answer.status_code >= 500:
            self.answers.faults += 1
            return None
        return answer

    def _count(self, seconds: float) -> None:
        self.answers.slowest_s = max(self.answers.slowest_s, seconds)
        self.answers.slow += seconds > SLOW_S
