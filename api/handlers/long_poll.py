"""Let a poll of a task wait until the task changes: `GET /tasks/<id>?wait=25`, for clients that would sleep.

A change is another `stage`, the end included; progress and position are not, or a client that asks again and again
would hardly wait. `since` is the stage that the caller knows, so that nothing between two of its polls is missed;
without it, the stage of the moment. All that wait share the process's one reader of event logs
(api/streaming/event_hub.py). Who cannot wait gets a response at once, and sees it in the headers.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Response, request

from api.auth.authenticate import current_auth, expect_valid_key
from api.auth.keys import Keys
from api.auth.stream_limits import open_wait
from api.handlers.wait import SHARE_OF_TIMEOUT, is_sync_worker, longest_wait_s
from api.http.query import read_number
from api.http.request_state import request_state
from api.openapi.operations import integer
from api.services.combined_reads import ReadCombiner
from api.services.job_service import JobService, TaskState
from api.streaming.event_hub import EventHub, Notice, Over
from shared.errors import FieldError, InvalidRequest
from shared.jobs.event_log import Entry, EventLog
from shared.jobs.job import PUBLIC_STAGES
from shared.settings import Settings

LONGEST_WAIT_S = 30
MOST_WAITING = 750  # of all accounts: a process has 1000 connections (stack/gunicorn.conf.py)
OFFERED, APPLIED = "Accept-Wait", "Preference-Applied"  # the second one is RFC 7240's
QUERY: Mapping[str, Mapping[str, Any]] = {
    "wait": {
        **integer(0, 0, LONGEST_WAIT_S),
        "description": "Answer when the task's `stage` changes, or after so many seconds; at once when it has ended",
    },
    "since": {
        "type": "string",
        "enum": list(PUBLIC_STAGES),
        "description": "The `stage` that the caller knows: a task that has another one is answered at once",
    },
}
HEADERS: Mapping[str, Mapping[str, Any]] = {
    OFFERED: {
        "description": "So many seconds a poll may `wait`; absent where it may not",
        "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_WAIT_S},
    },
    APPLIED: {
        "description": "Only where the poll was held: for how many seconds at most (RFC 7240)",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
    },
}


class WaitingPolls:
    """Count the polls that wait, by account and in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self, account: str) -> Iterator[bool]:
        """Yield whether one more may wait: it counts until the block is left."""
        with self._lock:
            may_wait = self._counts[account] < self._most and self._counts.total() < MOST_WAITING
            self._counts[account] += may_wait
        try:
            yield may_wait
        finally:
            with self._lock:
                self._counts[account] -= may_wait
                if not self._counts[account]:
                    del self._counts[account]


class LongPolls:
    """Serve the polls of one process, at once or after they have waited."""

    def __init__(
        self, job_service: JobService, log: EventLog, event_hub: EventHub, keys: Keys, settings: Settings
    ) -> None:
        self._job_service = job_service
        self._event_hub = event_hub
        self._keys = keys
        self._settings = settings
        self._most_s = min(settings.max_wait_s, int(SHARE_OF_TIMEOUT * settings.gunicorn_timeout))
        self._last_ids = ReadCombiner(log.last_ids)
        self._waiting = WaitingPolls(settings.max_waiting_polls)

    def state(self, task_id: str) -> TaskState:
        """Return the task that this request polls, when it has changed or after the wait that it asks for.

        Raises InvalidRequest, NotFound, BrokerUnavailable, and Unauthorized when its key was disabled meanwhile.
        """
        account = current_auth().account
        wait_s, since = _read_wait() if request.query_string else (0, None)
        wait_s = min(wait_s, self._offered_s(), int(longest_wait_s(self._settings))) if wait_s else 0
        if not wait_s:
            return self._job_service.get(task_id, account)
        with self._waiting.one_more(account) as may_wait:
            if not may_wait:
                return self._job_service.get(task_id, account)
            request_state().granted_wait_s = wait_s
            return self._wait(task_id, account, wait_s, since)

    def add_headers(self, response: Response) -> Response:
        """Add to the response what its request may ask for, and what became of it."""
        if offered_s := self._offered_s():
            response.headers[OFFERED] = str(offered_s)
        if granted_s := request_state().granted_wait_s:
            response.headers[APPLIED] = f"wait={granted_s}"
            response.headers["Cache-Control"] = "no-store"
        return response

    def _offered_s(self) -> int:
        """Return integer seconds: 0 where a process serves one request at a time, which would keep out all others."""
        return 0 if is_sync_worker() else self._most_s

    def _wait(self, task_id: str, account: str, wait_s: float, since: str | None) -> TaskState:
        begun_at = time.monotonic()
        last_id = self._last_ids.get(task_id)  # before the record: what happens between the two is not missed
        state = self._job_service.get(task_id, account)
        stage = since or state.job.public_stage
        if state.job.status.ended or state.job.public_stage != stage:
            return state

        def is_change(notice: Notice) -> bool:
            if isinstance(notice, Entry):
                return notice.type != "progress" or notice.fields.get("stage") != stage
            return isinstance(notice, Over)

        try:
            with open_wait() as opened:
                self._event_hub.wait_for(task_id, last_id, is_change, wait_s, is_left=lambda: opened.revoked)
        finally:
            request_state().waited_s = time.monotonic() - begun_at
        expect_valid_key(self._keys)
        return self._job_service.get(task_id, account)


def _read_wait() -> tuple[int, str | None]:
    """Read for how many seconds the request asks to wait, and which stage its caller knows. Raises InvalidRequest."""
    wait_s, since = read_number("wait", 0, 0, LONGEST_WAIT_S), request.args.get("since")
    if since is not None and since not in PUBLIC_STAGES:
        remedy = f"send the `stage` of the last answer, one of {', '.join(PUBLIC_STAGES)}, or leave it out"
        raise InvalidRequest([FieldError("since", f"is no stage; {remedy}", repr(since)[:80])])
    return wait_s, since
