"""Start a worker: `celery -A worker.app worker` imports this module, which wires a `Worker` to Celery's signals.

Pool and number of threads are in the configuration, so that the bare command has them.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from celery.signals import celeryd_init, worker_init, worker_ready, worker_shutdown, worker_shutting_down
from celery.utils.sysinfo import is_auto_concurrency

from shared.errors import OstinatoError
from shared.jobs.tickets import Tickets, make_celery
from shared.settings import WORKER, read_settings
from worker.boot_watch import BootWatch
from worker.capacity import MAX_SLOTS, threads_for
from worker.command_line import POOL, expect_queue, expect_threads, is_given, node_name
from worker.engine_factory import visible_gpus
from worker.ladder import RungFailed, execute_again, remember
from worker.process import Worker
from worker.tasks import register

log = logging.getLogger(__name__)

T = TypeVar("T")

SPARE_CONNECTIONS = 16  # of Celery's own, beside one for each thread that acknowledges its ticket

settings = read_settings(WORKER)
# while the engine is not loaded, as many threads as it could want at most
threads = settings.worker_concurrency or threads_for(settings.slots or MAX_SLOTS)
app = make_celery(settings, worker_pool=POOL, worker_concurrency=threads)
worker = Worker(settings, Tickets(app, settings))
app.conf.task_default_queue = worker.model.queue
register(app, worker)


@celeryd_init.connect(weak=False)
def _name(instance: Any, **_: Any) -> None:
    """Name this node after its process, so that two workers on one host differ; `-n` names one otherwise."""
    if not is_given("hostname"):
        instance.hostname = node_name(settings.worker_name or worker.model.name)


@worker_init.connect(weak=False)
def _open(sender: Any, **_: Any) -> None:
    """Open the worker before the first ticket is drawn. Celery swallows a signal handler's errors, hence the exit."""
    _or_exit(lambda: _check(sender))
    slots = _or_exit(_open_engine)
    sender.concurrency = app.conf.worker_concurrency = _threads(sender.concurrency, slots)
    app.conf.broker_transport_options["max_connections"] = sender.concurrency + SPARE_CONNECTIONS


def _open_engine() -> int:
    """Open the worker. Where this machine cannot decode so, become a process that tries the next way; or end."""
    watch = BootWatch(settings, visible_gpus())
    remember(watch.found())
    try:
        slots = worker.open(watch.trying)
    except RungFailed as error:
        watch.ended(forget=error.ladder.rung is None)
        log.error("%s", error)
        if error.ladder.rung is not None:
            execute_again(error.ladder)
        time.sleep(settings.failed_boot_wait_s)
        raise
    except BaseException:
        watch.ended(forget=False)
        raise
    watch.ended(forget=True)
    return slots


def _threads(chosen: int | str, slots: int) -> int:
    """Return as many threads as were asked for, or enough for the slots (also when Celery is to choose, `-c auto`)."""
    if is_given("concurrency") and not is_auto_concurrency(chosen):
        return int(chosen)
    return settings.worker_concurrency or threads_for(slots)


def _check(controller: Any) -> None:
    """Check the pool and the queues. Raises ConfigurationError."""
    expect_threads(controller.pool_cls, sys.argv, controller.options.get("autoscale"))
    expect_queue(app.amqp.queues.consume_from, worker.model.queue)


def _or_exit(step: Callable[[], T]) -> T:
    try:
        return step()
    except OstinatoError as error:
        raise SystemExit(f"ostinato worker: {error}") from error
    except Exception as error:
        log.critical("the worker cannot start", exc_info=error)
        raise SystemExit(f"ostinato worker: {error}") from error


@worker_ready.connect(weak=False)
def _announce(sender: Any, **_: Any) -> None:
    worker.announce(sender.controller.concurrency, draws=lambda: worker.model.queue in app.amqp.queues.consume_from)


@worker_shutting_down.connect(weak=False)
def _drain(**_: Any) -> None:
    worker.drain()


@worker_shutdown.connect(weak=False)
def _close(**_: Any) -> None:
    worker.close()
