"""Serve /admin/api/tasks and /dead-letters: any account's task, its story, and its end."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import cast, get_args

from flask import Blueprint, Response, jsonify, request

from api.auth.authenticate import current_actor
from api.http.query import read_number, read_word
from api.openapi.admin_schemas import (
    AdminTask,
    AdminTaskPage,
    AdminTaskStory,
    DeadLetters,
    DroppedDeadLetter,
    JobStatus,
    RequeuedDeadLetter,
    RetriedTask,
    StoryEntry,
    TaskAttempt,
)
from api.openapi.operations import Operation, integer
from api.routes.deliveries import from_delivery
from api.services.administration import Administration
from shared.admin.job_listing import JobFilter
from shared.jobs.job import Job, Status

PAGE_AT_MOST = 200
LATEST = 10**12 - 1  # as a number of arrival: before it, all are
STATUSES = get_args(JobStatus)


def add_routes(bp: Blueprint, administration: Administration) -> None:
    operator, reader = administration.operator, administration.operator.store.reader

    @bp.get("/tasks")
    def tasks() -> Response:
        limit, before = read_number("limit", 50, 1, PAGE_AT_MOST), read_number("before", LATEST, 0, LATEST)
        page = administration.listing.page(_filter(), limit, before)
        response: AdminTaskPage = {"tasks": [_task(job) for job in page.jobs], "next_before": page.next_before}
        return jsonify(response)

    @bp.get("/tasks/<task_id>")
    def story(task_id: str) -> Response:
        job = reader.get(task_id)
        found = administration.stories.of(job)
        response: AdminTaskStory = {
            "task": _task(job),
            "story": [cast("StoryEntry", asdict(entry)) for entry in found.entries],
            "attempts": [cast("TaskAttempt", asdict(attempt)) for attempt in found.attempts],
            "deliveries": [from_delivery(each) for each in administration.deliveries.of(task_id)],
        }
        return jsonify(response)

    @bp.delete("/tasks/<task_id>")
    def cancel(task_id: str) -> Response:
        return jsonify(_task(operator.cancel(task_id, current_actor())))

    @bp.post("/tasks/<task_id>/retry")
    def retry(task_id: str) -> Response:
        job = operator.retry(task_id, current_actor())
        response: RetriedTask = {"task_id": task_id, "retried_as": job.id}
        return jsonify(response)

    @bp.get("/dead-letters")
    def dead_letters() -> Response:
        letters = operator.dead_letters()
        response: DeadLetters = {
            "dead_letters": [{"given_up_at": letter.at, "task": _task(letter.job)} for letter in letters]
        }
        return jsonify(response)

    @bp.post("/dead-letters/<task_id>/requeue")
    def requeue(task_id: str) -> Response:
        job = operator.requeue(task_id, current_actor())
        response: RequeuedDeadLetter = {"task_id": task_id, "requeued_as": job.id}
        return jsonify(response)

    @bp.delete("/dead-letters/<task_id>")
    def drop(task_id: str) -> Response:
        operator.drop(task_id, current_actor())
        response: DroppedDeadLetter = {"task_id": task_id, "dropped": True}
        return jsonify(response)


def _filter() -> JobFilter:
    """Read what is looked for from the query. Raises InvalidRequest."""
    status, since = read_word("status", STATUSES), read_number("since", 0, 0, 10**11)
    asked = {name: request.args.get(name) or None for name in ("model", "account", "q")}
    return JobFilter(
        status=Status(status) if status else None,
        model=asked["model"],
        account=asked["account"],
        text=asked["q"],
        since=float(since) or None,
    )


def _task(job: Job) -> AdminTask:
    return {
        "task_id": job.id,
        "status": job.status.value,
        "stage": job.public_stage,
        "progress": job.progress(),
        "model": job.model,
        "account": job.account,
        "key_id": job.key_id,
        "source": job.source,
        "priority": job.request.priority,
        "prompt": job.request.prompt,
        "duration": job.request.made_s,
        "attempts": job.attempt,
        "worker": job.worker,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "queue_time": job.queue_time_s(now := time.time()),
        "run_time": job.run_time_s(now),
        "batch_id": job.batch,
        "part_of": job.composition_id,
        "retry_of": job.retry_of,
        "retried_as": job.retried_as,
        "error_code": job.error.code if job.error else None,
        "error": job.error.message if job.error else None,
    }


QUERY = {
    "limit": integer(50, 1, PAGE_AT_MOST),
    "before": {"type": "integer", "minimum": 0, "description": "the page before this one said it, as next_before"},
    "status": {"type": "string", "enum": list(STATUSES)},
    "model": {"type": "string"},
    "account": {"type": "string"},
    "q": {
        "type": "string",
        "description": "words of title and prompt, or how the id begins",
    },
    "since": {"type": "integer", "minimum": 0, "description": "UNIX seconds: submitted then or later"},
}
OPERATIONS = [
    Operation(
        "GET", "/admin/api/tasks", "listAllTasks", "The tasks of all accounts", {200: AdminTaskPage}, query=QUERY
    ),
    Operation("GET", "/admin/api/tasks/<task_id>", "getTaskStory", "A task's whole story", {200: AdminTaskStory}),
    Operation(
        "DELETE", "/admin/api/tasks/<task_id>", "cancelAnyTask", "Cancel a task", {200: AdminTask}, failures=(409,)
    ),
    Operation(
        "POST",
        "/admin/api/tasks/<task_id>/retry",
        "retryFailedTask",
        "Run a copy of a failed task, under the same seed",
        {200: RetriedTask},
        failures=(409,),
    ),
    Operation(
        "GET", "/admin/api/dead-letters", "listDeadLetters", "Tasks whose workers died, each time", {200: DeadLetters}
    ),
    Operation(
        "POST",
        "/admin/api/dead-letters/<task_id>/requeue",
        "requeueDeadLetter",
        "Run a copy, under the same seed",
        {200: RequeuedDeadLetter},
        failures=(409,),
    ),
    Operation("DELETE", "/admin/api/dead-letters/<task_id>", "dropDeadLetter", "Forget one", {200: DroppedDeadLetter}),
]
