# ruff: noqa: N999 - the name that gunicorn gives such a file
"""Configure gunicorn, the same on a laptop and in an image. Asks the application one thing, before it starts:
whether it may be served on this address (api/auth/exposure.py).

Few processes with greenlets, because the API waits far more than it works: polls, event streams, uploads.
"""

import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "api.http.gunicorn_worker.JsonWorker"  # gevent
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_connections = 1000
timeout = math.ceil(float(os.environ.get("GUNICORN_TIMEOUT", "300")))
# How long a stopping API lets open requests finish. Event streams end by themselves then (api/streaming/shutdown.py).
graceful_timeout = int(os.environ.get("GUNICORN_GRACEFUL_TIMEOUT", "30"))
keepalive = 15
accesslog = "-"
errorlog = "-"
# Its default is one fixed path per user: two servers on one machine would fight over it.
control_socket_disable = True
# as prometheus_client names what it writes there; another program's database is none of these
METRICS_FILE = re.compile(r"(?:counter|histogram|summary|gauge_[a-z]+)_[0-9]+\.db")
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
if MEMORY:
    worker_tmp_dir = MEMORY  # the heartbeat file; on a slow disk a worker could look dead


ATOM = re.compile(r"%\(([^)]+)\)")


class PlainLog(Logger):
    """Write one line for each request, whatever it holds, and no query: it may hold a link's signature."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self._named = {name.lower() if name[:1] == "{" else name for name in ATOM.findall(cfg.access_log_format)}

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> Any:
        atoms: Any = super().atoms(resp, req, environ, request_time)
        for name in ("r", "f"):
            before, asked, _ = atoms[name].partition("?")
            atoms[name] = before + ("?..." if asked else "")
        named = {name: atoms[name] for name in self._named & atoms.keys()}  # of some sixty
        return {k: v.encode("unicode_escape").decode() if isinstance(v, str) else v for k, v in named.items()}


logger_class = PlainLog


def on_starting(server: Any) -> None:
    _refuse_open(server.cfg.bind)
    _empty_metrics(server)


def _refuse_open(addresses: list[str]) -> None:
    """Ask in a process of its own: what is imported here is imported before gevent could patch it."""
    root = str(Path(__file__).resolve().parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    if status := subprocess.run([sys.executable, "-m", "api.exposure", *addresses], env=environment).returncode:
        sys.exit(status)


def _empty_metrics(server: Any) -> None:
    """Make an empty folder for what the processes count together for /metrics; it lasts until `on_exit`.

    Counts of an earlier run would be added to this one's. The metrics' library looks for the variable when a worker
    imports it.
    """
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not given:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = server.metrics_folder = tempfile.mkdtemp("", "ostinato-", MEMORY)
        return
    Path(given).mkdir(parents=True, exist_ok=True)
    for left in filter(lambda path: METRICS_FILE.fullmatch(path.name), Path(given).iterdir()):
        left.unlink()


def on_exit(server: Any) -> None:
    if folder := getattr(server, "metrics_folder", None):
        shutil.rmtree(folder, ignore_errors=True)
