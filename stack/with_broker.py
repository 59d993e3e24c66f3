"""Run a command of this repository on the broker of `make up`: `python -m stack.with_broker MODULE ARGS...`.

`make up` without REDIS_URL brings a broker on a port of its own, and leaves its address in its folder while it runs.
Everything else of the environment stays as it is. Knows no command: the process becomes `python -m MODULE ARGS...`, so
that nothing of what was imported here is in its way.
"""

from __future__ import annotations

import os
import sys

from shared.errors import ConfigurationError
from shared.settings import read_environment
from stack.broker import address_in
from stack.running import Shell
from stack.services import BROKER_FOLDER


def find_broker() -> str | None:
    """Find the address of this folder's `make up`; None where the settings name a broker, or none runs here."""
    shell = read_environment(Shell)
    return address_in(shell.state_folder / BROKER_FOLDER) if shell.redis_url is None else None


def main(words: list[str]) -> int:
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        url = find_broker()
    except ConfigurationError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    if url is not None:
        os.environ["REDIS_URL"] = url
    sys.stdout.flush()
    return os.execv(sys.executable, [sys.executable, "-m", *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
