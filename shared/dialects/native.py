"""Build the native API's webhook body, which is also that of every dialect whose document shows none."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.dialects.webhook_context import WebhookContext
from shared.jobs.response_schemas import TaskWebhook
from shared.jobs.task_response import add_parts, task_response


def webhook_body(context: WebhookContext) -> TaskWebhook:
    """Return the task's response in the shape that Standard Webhooks recommends."""
    job = context.job
    task = task_response(job, context.at, base=context.base, audio_url=context.audio_url)
    if job.composition is not None:
        add_parts(task, job, context.parts())
    happened_at = datetime.fromtimestamp(context.at, UTC).isoformat(timespec="milliseconds")
    return {"type": f"task.{context.event}", "timestamp": happened_at.replace("+00:00", "Z"), "data": task}
