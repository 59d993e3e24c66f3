"""Check the health of a worker's container: whether its own worker is among the live ones (shared/workers/registry.py).

Compares whole names: that of WORKER_NAME, or those that a process of this container would have. Asks Redis as the API
does. While a model loads there is no record yet: give it a long start period.
"""

import sys

import psutil

from shared.broker.connection import connect
from shared.settings import WORKER, read_settings
from shared.workers.registry import WorkerRegistry, worker_name


def main() -> int:
    settings = read_settings(WORKER)
    own = {worker_name(settings, pid) for pid in psutil.pids()}
    return 0 if any(record.worker in own for record in WorkerRegistry(connect(settings), settings).live()) else 1


if __name__ == "__main__":
    sys.exit(main())
