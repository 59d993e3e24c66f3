"""The worker container's health check: is there a live presence record of this container's worker?

Owns nothing; asks Redis as the API does. While a model loads there is no record yet: give it a long start period.
"""

import socket
import sys

from shared.connection import connect
from shared.presence import Roster
from shared.settings import read_settings


def main() -> int:
    settings = read_settings()
    name = settings.worker_name or f"{socket.gethostname()}-"
    found = any(presence.worker.startswith(name) for presence in Roster(connect(settings), settings).live())
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
