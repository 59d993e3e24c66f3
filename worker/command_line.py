"""Check the options that `celery worker` was started with, and refuse those with which no job could run.

A job needs a thread that shares the one loaded model, and a ticket of the model's own queue. Celery itself would start
with other options too, say that it is ready, and never run anything.
"""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Iterable, Sequence
from typing import Any

import click
from celery.concurrency.thread import TaskPool
from click.core import ParameterSource

from shared.errors import ConfigurationError

POOL = "threads"
GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def is_given(option: str) -> bool:
    """Return whether the person who started this worker named that option, as Celery calls its parameter.

    An empty name or a 0 is no choice, for Celery neither.
    """
    context = click.get_current_context(silent=True)
    return context is not None and context.get_parameter_source(option) in GIVEN and bool(context.params.get(option))


def node_name(worker: str) -> str:
    """Return the name of this process among Celery's nodes, unlike that of any other on this host."""
    return f"{worker}-{os.getpid()}@{socket.gethostname()}"


def expect_threads(pool: Any, argv: Sequence[str], autoscale: object = None) -> None:
    """Raise ConfigurationError for every pool but the configured one.

    `pool` is what Celery made of its options. It takes `-P prefork` for no choice, so `argv` is read too.
    """
    asked = _asked_pool(argv)
    is_threads = pool == POOL or (isinstance(pool, type) and issubclass(pool, TaskPool))
    if asked not in (None, POOL) or not is_threads:
        named = asked or getattr(pool, "__module__", str(pool)).rpartition(".")[2]
        raise ConfigurationError(
            f"-P {named} cannot make music, because a worker's jobs are threads that share one model: leave -P out, or "
            f"write -P {POOL}"
        )
    if autoscale:
        raise ConfigurationError(
            "--autoscale cannot be had with threads, of which idle ones cost nothing: leave it out, and set "
            "WORKER_CONCURRENCY to the most jobs that this worker may hold"
        )


def expect_queue(consumed: Iterable[str], queue: str) -> None:
    """Raise ConfigurationError unless the tickets of the model's own queue are drawn, and no others."""
    names = sorted(consumed)
    if names != [queue]:
        raise ConfigurationError(
            f"-Q or -X makes this worker draw from {', '.join(names) or 'no queue'}, but it can make only what waits "
            f"in {queue}: leave -Q and -X out, or set MODEL"
        )


def _asked_pool(argv: Sequence[str]) -> str | None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-P", "--pool")
    try:
        asked: str | None = parser.parse_known_args(list(argv))[0].pool
    except argparse.ArgumentError:  # no value: Celery refuses that itself
        return None
    return asked
