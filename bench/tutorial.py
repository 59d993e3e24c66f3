"""Serve as the usual tutorial does, as a peer for `bench.api`: Flask, one Celery task, AsyncResult as the status.

The same routes, fields and checks as the published tutorial has, written anew and without the model: nothing here makes
music. Served by gunicorn with the same settings as the product (`bench.tutorial:app`).
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from flask import Flask, Response, jsonify, request
from flask_cors import CORS

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")

celery_app = Celery("tutorial", broker=URL, backend=URL)
celery_app.conf.update(task_serializer="json", accept_content=["json"], result_serializer="json", timezone="UTC")


@celery_app.task(name="tutorial.generate")
def generate(
    prompt: str, model: str, duration: float, temperature: float, top_k: int, top_p: float, output_format: str
) -> dict[str, Any]:
    raise NotImplementedError("the benchmark compares what happens before and after the music")


app = Flask(__name__)
CORS(app)


@app.post("/generate-async")
def submit() -> tuple[Response, int] | Response:
    data = request.json or {}
    if not data.get("prompt"):
        return jsonify(error="Prompt is required"), 400
    task = generate.delay(
        data["prompt"],
        data.get("model_size", "small"),
        float(data.get("duration", 5.0)),
        float(data.get("temperature", 1.0)),
        int(data.get("top_k", 250)),
        float(data.get("top_p", 0.0)),
        data.get("output_format", "wav"),
    )
    return jsonify(task_id=task.id, status="processing")


@app.get("/tasks/<task_id>")
def status(task_id: str) -> Response:
    task = generate.AsyncResult(task_id)
    if task.state == "PENDING":
        return jsonify(status="processing", current=0, total=1)
    if task.state == "SUCCESS":
        result = task.result
        return jsonify(status="completed", result=result, audio_url=f"/audio/{result['filename']}")
    return jsonify(status="failed", error=str(task.info))
