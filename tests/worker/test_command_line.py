"""Options with which Celery would start a worker that runs no job are refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
from celery import Celery
from celery.bin.base import CLIContext
from celery.bin.worker import worker
from celery.concurrency.prefork import TaskPool as Prefork
from celery.concurrency.solo import TaskPool as Solo
from celery.concurrency.thread import TaskPool as Threads

from shared.errors import ConfigurationError
from shared.settings import ROOT, Settings
from worker.command_line import expect_queue, expect_threads, is_given, node_name

pytestmark = pytest.mark.slow

MUSIC = "cannot make music.*leave -P out"


@pytest.mark.parametrize("argv", [[], ["-P", "threads"], ["--pool=threads"], ["-c", "3", "-n", "prefork@%h"]])
def test_threads_are_taken_whether_named_or_configured(argv: list[str]) -> None:
    expect_threads(Threads, ["-A", "worker.app", "worker", *argv])
    expect_threads("threads", argv)


@pytest.mark.parametrize("argv", [["-P", "prefork"], ["--pool", "prefork"], ["--pool=prefork"], ["-Pprefork"]])
def test_prefork_is_refused_although_celery_makes_threads_of_it(argv: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=f"-P prefork {MUSIC}"):
        expect_threads(Threads, ["worker", *argv])


@pytest.mark.parametrize(("pool", "name"), [(Solo, "solo"), (Prefork, "prefork"), ("gevent", "gevent")])
def test_another_pool_is_refused_also_where_no_command_line_names_it(pool: object, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"-P {name} {MUSIC}"):
        expect_threads(pool, [])


def test_autoscale_is_refused_with_the_setting_to_use_instead() -> None:
    with pytest.raises(ConfigurationError, match=r"--autoscale .* WORKER_CONCURRENCY"):
        expect_threads(Threads, [], (10, 1))


@pytest.mark.parametrize(
    ("argv", "given"), [([], False), (["-c", "0"], False), (["-c", "3"], True), (["-c", "auto"], True)]
)
def test_an_empty_or_absent_concurrency_option_counts_as_not_given(argv: list[str], given: bool) -> None:
    with worker.make_context("worker", argv, obj=CLIContext(Celery(), no_color=True, workdir=None)).scope():
        assert is_given("concurrency") is given


@pytest.mark.parametrize("consumed", [[], ["ostinato.small"], ["ostinato.small", "ostinato.tiny"]])
def test_a_worker_that_draws_another_queues_tickets_or_none_is_refused(consumed: list[str]) -> None:
    expect_queue(["ostinato.tiny"], "ostinato.tiny")
    with pytest.raises(ConfigurationError, match=r"can make only what waits in ostinato\.tiny: leave -Q and -X out"):
        expect_queue(consumed, "ostinato.tiny")


def test_a_node_is_called_after_its_process_and_host() -> None:
    assert node_name("tiny") == f"tiny-{os.getpid()}@{socket.gethostname()}"


def test_a_worker_with_gevent_ends_at_once_with_one_sentence(make_settings: Callable[..., Settings]) -> None:
    """The hardest: Celery has patched everything before the worker's own code is read."""
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "-P", "gevent"]
    environment = os.environ | {"REDIS_URL": make_settings().redis_url, "MODEL": "tiny"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    said = [line for line in ended.stderr.splitlines() if "gevent" in line]
    assert (ended.returncode, len(said)) == (1, 1), ended.stderr
    assert said[0].startswith("ostinato worker: -P gevent cannot make music")
    assert "Traceback" not in ended.stderr
