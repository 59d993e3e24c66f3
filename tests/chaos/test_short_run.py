"""The chaos run in a minute: two workers, a few jobs, two kills, one broker killed, the storage stopped once."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.assertions import RECOVERY_P95_S
from chaos.environment import Environment
from chaos.plan import Plan
from chaos.receiver import Receiver
from chaos.run import Run
from tests.fork_server import ForkServer

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

PLAN = Plan(jobs=10, kills=2, broker_kills=1, storage_stops=1, workers=2, seed=1, pace=0.3, duration_s=(2.0, 6.0))


def test_everything_survives_a_short_run_of_faults(tmp_path: Path, checkpoint: Path, fork_server: ForkServer) -> None:
    with (
        Receiver() as receiver,
        Environment(tmp_path, PLAN.workers, receiver.secret, checkpoint, fork_server.spawn) as environment,
    ):
        figures = Run(PLAN, environment, receiver, lambda _: None).execute()
        logs = "\n".join(path.read_text()[-2000:] for path in sorted((tmp_path / "log").glob("*.log")))
    assert figures.good(PLAN), f"{figures}\n{logs}"
    assert figures.jobs_rerun > 0
    assert figures.recovery_p95_s < RECOVERY_P95_S + 2 * figures.boot_s, "both workers may be away at once here"
