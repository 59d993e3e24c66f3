"""Run broker, worker and API on this machine until Ctrl-C: `python -m stack.up [--host ADDRESS] [--tls] ...`."""

from __future__ import annotations

import argparse
import os
import sys

from shared.errors import ConfigurationError
from stack.certificate import own_certificate
from stack.errors import PortInUse, ProgramFailed, StackError
from stack.folder_lock import FolderLock
from stack.ports import LOOPBACK, free_port, network_address
from stack.processes import Supervisor
from stack.restarts import RestartPolicy
from stack.running import recorded
from stack.services import READY_TIMEOUT_S, Services, read_stack_settings

EVERY_ADDRESS = ("0.0.0.0", "::")
CLEAR_LINE = "\r\x1b[K"


def say(line: str) -> None:
    """Print a line of its own, also where Progress has left one unfinished."""
    print(f"{CLEAR_LINE if sys.stdout.isatty() else ''}{line}", flush=True)


class Progress:
    """Show what is still missing and for how long: a line rewritten on a terminal, printed now and then elsewhere."""

    def __init__(self, every_s: float = 5.0) -> None:
        self._rewrites = sys.stdout.isatty()
        self._every_s = 0.5 if self._rewrites else every_s
        self._next_s = 0.0

    def __call__(self, what: str, waited_s: float) -> None:
        if waited_s < self._next_s:
            return
        self._next_s = waited_s + self._every_s
        start, end = (CLEAR_LINE, "") if self._rewrites else ("", "\n")
        print(f"{start}waiting {waited_s:3.0f} s: {what}"[:110], end=end, flush=True)

    def clear(self) -> None:
        if self._rewrites:
            print(CLEAR_LINE, end="", flush=True)


def read_services(host: str = LOOPBACK, *, insecure: bool = False, tls: bool = False) -> Services:
    settings = read_stack_settings()
    if insecure:
        settings = settings.model_copy(update={"insecure": True})
    redis_url = settings.redis_url if "redis_url" in settings.model_fields_set else None
    certificate = own_certificate(settings.state_folder) if tls else None
    return Services(settings, redis_url, dict(os.environ), host, certificate)


def network_url(services: Services) -> str | None:
    """Return what others in this network open; None where they are not served, or there is no network."""
    address = network_address() if services.host in EVERY_ADDRESS else None
    return address and f"{services.url.partition(':')[0]}://{address}:{services.settings.port}"


def run(services: Services) -> None:
    """Run until StopRequested or an error, and stop everything."""
    settings = services.settings
    policy = RestartPolicy(first_wait_s=settings.restart_wait_s, most=settings.restart_attempts)
    with recorded(services), Supervisor(say, policy) as supervisor:
        services.start(supervisor, say)
        progress = Progress()
        seconds = supervisor.wait_until_ready(services.missing, timeout_s=READY_TIMEOUT_S, on_wait=progress)
        progress.clear()
        say(f"ready after {seconds:.0f} s: {services.url}  (default model {services.settings.default_model})")
        say(f"audio is kept in {services.settings.local_storage_path}; Ctrl-C stops everything")
        say(f"open {services.url}/ in a browser; to look after it, {services.url}/admin")
        if elsewhere := network_url(services):
            say(f"on a phone or another machine in this network, {elsewhere}/")
        if services.certificate:
            say(f"which asks once whether to trust {services.certificate.path}, a certificate that this machine made")
        supervisor.watch()


def check_port(services: Services) -> None:
    port = services.settings.port
    if not services.port_is_free():
        remedy = f"Stop that program, or choose another port: PORT={free_port()} make up"
        raise PortInUse(port, remedy)


def report(error: StackError) -> None:
    print(f"error: {error.message}", file=sys.stderr, flush=True)
    if isinstance(error, ProgramFailed):
        for line in error.log_tail():
            print(f"    {line}", file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser("stack.up", description="broker, worker and API on this machine until Ctrl-C")
    found.add_argument("--host", default=LOOPBACK, help="where the API listens (default %(default)s)")
    found.add_argument("--insecure", action="store_true", help="serve other machines though no API key exists")
    found.add_argument("--tls", action="store_true", help="serve by https, under a certificate made here")
    return found


def main() -> int:
    given = parser().parse_args()
    try:
        services = read_services(given.host, insecure=given.insecure, tls=given.tls)
        lock = FolderLock(services.settings.state_folder)
        lock.take()
        check_port(services)
        run(services)
    except KeyboardInterrupt:
        say("stopped; waiting pieces are kept and go on at the next start")
        return 0
    except ConfigurationError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    except StackError as error:
        report(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
