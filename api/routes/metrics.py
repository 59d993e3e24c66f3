"""Serve GET /metrics in Prometheus' text format: one target for the whole service.

Owns the metrics' names. What this API's processes count (HTTP requests) they keep in files that all of them read, so
that it does not matter which one responds; what workers and housekeeping count comes by way of Redis.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate
from typing import Any

from flask import Flask, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.http.request_hooks import RequestHooks
from api.http.request_state import RequestState
from api.openapi.operations import Media, Operation, Section
from api.openapi.schemas import NativeError
from shared.broker.counters import Counters, Field
from shared.errors import BrokerUnavailable, PoolExhausted
from shared.jobs.reader import JobReader
from shared.settings import Settings
from shared.webhooks.delivery_queue import DeliveryQueue
from shared.workers.registry import WorkerRegistry

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FIRST_CHUNK_BUCKETS = ("0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "+Inf")
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
# field's first word -> (metric, help, labels, what one of it is)
COUNTED: dict[str, tuple[str, str, tuple[str, ...], float]] = {
    "claims": ("claims", "Jobs that workers took out of the line", ("model",), 1),
    "attempts": ("attempts", "Attempts that ended, by outcome", ("model", "outcome"), 1),
    "jobs": ("jobs", "Jobs that ended, by status", ("model", "status"), 1),
    "steps": ("decode_steps", "Decode steps of all songs", ("model",), 1),
    "mixes": ("mixes", "Pieces for several instruments mixed", ("model",), 1),
    "mix_ms": ("mix_seconds", "Seconds spent on mixing them", ("model",), 0.001),
    "audio_ms": ("audio_seconds", "Seconds of music made", ("model",), 0.001),
    "engine_ms": (
        "generation_seconds",
        "Seconds that songs spent in the engine, each counted alone",
        ("model",),
        0.001,
    ),
    "pool_waits": ("broker_pool_waits", "Waits for one of a process's connections to Redis", ("pool",), 1),
    "pool_wait_ms": ("broker_pool_wait_seconds", "Seconds of those waits", ("pool",), 0.001),
    "pool_exhausted": ("broker_pool_exhausted", "Those of them that ended without a connection", ("pool",), 1),
    "webhooks": ("webhook_deliveries", "Tries at webhook deliveries, by outcome", ("outcome",), 1),
    "cleaned": ("cleaned", "What the cleaner has deleted, in blobs and in bytes", ("unit",), 1),
}


class Service(Collector):
    """Read what Redis knows of the service at each scrape."""

    def __init__(
        self, reader: JobReader, registry: WorkerRegistry, counters: Counters, deliveries: DeliveryQueue
    ) -> None:
        self._reader = reader
        self._registry = registry
        self._counters = counters
        self._deliveries = deliveries

    def describe(self) -> Iterable[Metric]:
        return ()  # without it, the registry would ask Redis when the API starts

    def collect(self) -> Iterator[Metric]:
        """Yield Redis' state alone while it is away: HTTP figures must still be served."""
        try:
            metrics = [*self._line(), *self._workers(), *_counted(self._counters.read())]
            metrics.append(
                _gauge("held_jobs", "Jobs that wait for other jobs, outside the line", self._reader.blocked())
            )
            metrics.append(_gauge("webhook_backlog", "Webhook deliveries due or under way", self._deliveries.backlog()))
        except PoolExhausted:
            return  # whether Redis answers was not learned
        except BrokerUnavailable:
            metrics = []
        yield _gauge("broker_up", "Whether Redis answers", float(bool(metrics)))
        yield from metrics

    def _line(self) -> Iterator[Metric]:
        now, oldest = time.time(), self._reader.oldest()
        lengths = self._reader.waiting()
        ages = {model: max(0.0, now - oldest[model]) if model in oldest else 0.0 for model in lengths}
        yield _per_model("queue_length", "Jobs that wait", lengths)
        yield _per_model("queue_oldest_age_seconds", "For how long the first in line has waited", ages)
        factors = {model: self._reader.throughput(model).audio_s_per_s for model in lengths}
        known = {model: factor for model, factor in factors.items() if factor is not None}
        yield _per_model("real_time_factor", "Seconds of music that a slot makes in a second, of late", known)

    def _workers(self) -> Iterator[Metric]:
        live = self._registry.live()
        models = sorted({presence.model for presence in live})
        slots = {model: sum(p.slots for p in live if p.model == model and p.claims) for model in models}
        used = {model: self._reader.running_of(model) for model in models}
        yield _per_model("workers", "Live workers", {m: sum(p.model == m for p in live) for m in models})
        yield _per_model("slots", "Songs that the workers that claim can make at once", slots)
        yield _per_model("slots_used", "Jobs that run", used)


def _counted(counts: dict[Field, int]) -> Iterator[Metric]:
    for word, (name, help, labels, unit) in COUNTED.items():
        family = CounterMetricFamily(f"ostinato_{name}", help, labels=labels)
        for field, count in sorted(counts.items()):
            if field[0] == word and len(field) == len(labels) + 1:
                family.add_metric(field[1:], count * unit)
        yield family
    yield _first_chunks(counts)


def _first_chunks(counts: dict[Field, int]) -> Metric:
    """Report how long the first chunk of streamed jobs took.

    append_chunks.lua counts each in the bucket where it falls.
    """
    family = HistogramMetricFamily(
        "ostinato_first_chunk_seconds",
        "From a streamed job's acceptance, and from the start of the attempt, to its first chunk",
        labels=("model", "since"),
    )
    for labels in sorted({field[1:3] for field in counts if field[0] == "first_chunk"}):
        fallen = [counts.get(("first_chunk", *labels, bucket), 0) for bucket in FIRST_CHUNK_BUCKETS]
        buckets = list(zip(FIRST_CHUNK_BUCKETS, map(float, accumulate(fallen)), strict=True))
        family.add_metric(labels, buckets, counts.get(("first_chunk_ms", *labels), 0) / 1000)
    return family


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ostinato_{name}", help, value=value)


def _per_model(name: str, help: str, values: dict[str, Any]) -> Metric:
    family = GaugeMetricFamily(f"ostinato_{name}", help, labels=("model",))
    for model, value in values.items():
        family.add_metric((model,), value)
    return family


def install(app: Flask, hooks: RequestHooks, settings: Settings, service: Service) -> None:
    """Install before the blueprints and whatever else handles requests, so that it counts what those refuse."""
    own, folder = CollectorRegistry(), settings.prometheus_multiproc_dir
    # where processes share files, a registry must not count this process' own numbers a second time
    _watch(hooks, None if folder else own)

    @app.get("/metrics")
    def metrics() -> Response:
        counted = CollectorRegistry() if folder else own
        if folder:
            MultiProcessCollector(counted, path=str(folder))  # type: ignore[no-untyped-call]
        text = generate_latest(counted) + generate_latest(_registry_of(service))
        return Response(text, content_type=CONTENT_TYPE_LATEST)


def _registry_of(service: Service) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(service)
    return registry


def _watch(hooks: RequestHooks, registry: CollectorRegistry | None) -> None:
    """Count every request, by the route that it met: a path would make as many series as there are tasks."""
    requests = Counter("ostinato_http_requests", "HTTP requests", ("route", "method", "status"), registry=registry)
    seconds = Histogram(
        "ostinato_http_request_duration_seconds",
        "From a request to the start of its answer",
        ("route", "method"),
        buckets=BUCKETS_S,
        registry=registry,
    )

    count, time_of = cache(requests.labels), cache(seconds.labels)  # a look-up by labels takes a lock

    @hooks.after
    def count_request(request: Request, state: RequestState, response: Response) -> None:
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"
        count(route, method, str(response.status_code)).inc()
        time_of(route, method).observe(time.monotonic() - state.arrived_at - state.waited_s)


SECTION = Section(
    "metrics",
    "The whole service's figures.",
    [Operation("GET", "/metrics", "getMetrics", "For Prometheus", {200: Media("The figures", ("text/plain",))})],
    NativeError,
)
