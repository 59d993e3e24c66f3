"""Run `python -m housekeeping`: read the settings, run dispatcher and cleaner until SIGTERM."""

from __future__ import annotations

import logging
import signal
import sys
import threading

from housekeeping.process import make_parts
from shared.errors import OstinatoError
from shared.settings import HOUSEKEEPING, read_settings

log = logging.getLogger("housekeeping")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = read_settings(HOUSEKEEPING)
        parts = make_parts(settings)
    except OstinatoError as error:
        log.critical("%s", error)
        return 2
    if not settings.webhook_secret:
        log.warning("webhooks go out unsigned: set WEBHOOK_SECRET, and receivers can tell ours from forged ones")
    for part in parts:
        part.start()
    log.info("ready")
    stop.wait()
    for part in parts:
        part.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
