"""Serve GET /tasks/<id>/deliveries: what became of a task's webhook."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from api.auth.authenticate import current_auth
from api.openapi.operations import Operation, Section
from api.openapi.schemas import DeliveryResponse, NativeError, TaskDeliveries
from api.services.job_service import JobService
from shared.jobs.response_schemas import TaskWebhook
from shared.webhooks.delivery_queue import Delivery, DeliveryQueue
from shared.webhooks.subscription import Webhook


def blueprint(job_service: JobService, deliveries: DeliveryQueue) -> Blueprint:
    bp = Blueprint("deliveries", __name__)

    @bp.get("/tasks/<task_id>/deliveries")
    def of_task(task_id: str) -> Response:
        job = job_service.get(task_id, current_auth().account).job
        webhook = Webhook.from_json(job.webhook) if job.webhook else None
        response: TaskDeliveries = {
            "task_id": task_id,
            "webhook_url": webhook.url if webhook else None,
            "webhook_events": list(webhook.events) if webhook else [],
            "deliveries": [from_delivery(delivery) for delivery in deliveries.of(task_id)] if webhook else [],
        }
        return jsonify(response)

    return bp


def from_delivery(delivery: Delivery) -> DeliveryResponse:
    return {
        "webhook_id": delivery.webhook_id,
        "event": delivery.event,
        "state": delivery.state,
        "happened_at": delivery.at,
        "attempts_made": delivery.tried,
        "next_attempt_at": delivery.next_at,
        "attempts": [
            {"at": one.at, "duration_s": one.duration_s, "status": one.status, "error": one.error}
            for one in delivery.tries
        ],
    }


SECTION = Section(
    "deliveries",
    "What became of a task's webhook.",
    [
        Operation(
            "GET",
            "/tasks/<task_id>/deliveries",
            "listTaskDeliveries",
            "Attempts to deliver the webhook",
            {200: TaskDeliveries},
        )
    ],
    NativeError,
    webhook=TaskWebhook,
)
