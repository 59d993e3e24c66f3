"""Register the Celery task that a claim ticket calls."""

from __future__ import annotations

import logging

from celery import Celery

from shared.jobs.tickets import TICKET_TASK, TICKET_VERSION
from worker.process import Worker

log = logging.getLogger(__name__)


def register(app: Celery, worker: Worker) -> None:
    """Register the task with `app`, so that each claim ticket makes `worker` serve one job."""

    # not shared: Celery would otherwise register this one with every other app of the process
    @app.task(name=TICKET_TASK, ignore_result=True, shared=False)
    def ticket(version: int, model: str, **_later: object) -> bool:
        """Serve one job of that model's queue. True when a job was claimed and run."""
        if version > TICKET_VERSION:
            log.error("ticket of version %s drawn, this worker speaks %s; upgrade it", version, TICKET_VERSION)
            return False
        return worker.serve_one(model)
