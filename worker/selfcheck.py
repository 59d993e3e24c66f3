"""Compare this machine's engine with audiocraft's own results: `python -m worker.selfcheck`, with a worker's settings.

It does what a worker does before its first job, also where that was done before, prints what it found, and ends with 1
where something is wrong. RUNNER names the way to decode that is checked; it steps down to no other.
"""

from __future__ import annotations

import sys

from shared.errors import OstinatoError
from shared.music.catalog import Catalog
from shared.settings import WORKER, read_settings
from worker.engine_factory import open_engine
from worker.ladder import RungFailed


def main() -> int:
    """Check the model of the settings, and return the exit status."""
    try:
        settings = read_settings(WORKER)
        model = Catalog(settings).for_worker(settings.model)
        opened = open_engine(model, settings, lambda done, total: None, always=True)
    except RungFailed as error:
        print(f"error: {error.ladder.reason}", file=sys.stderr)
        return 1
    except OstinatoError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    info = opened.engine.info
    print(f"{model.name}: {info.runner} on {info.device}, {info.precision}, kernels {info.kernels}")
    print("\n".join(opened.found) or "nothing to compare: audiocraft's own loop is what others are compared with")
    opened.engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
