# ruff: noqa: N999 - the name that gunicorn gives such a file
"""How gunicorn serves the API: the same on a laptop and in an image. Knows nothing of the application.

Few processes with greenlets, because the API waits far more than it works: polls, event streams, uploads.
"""

import os

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
worker_class = "gevent"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_connections = 1000
timeout = int(os.environ.get("GUNICORN_TIMEOUT", "300"))
# How long a stopping API lets open requests finish. Event streams never do so by themselves: this is what they cost.
graceful_timeout = int(os.environ.get("GUNICORN_GRACEFUL_TIMEOUT", "30"))
keepalive = 15
accesslog = "-"
errorlog = "-"
# Its default is one fixed path per user: two servers on one machine would fight over it.
control_socket_disable = True
if os.path.isdir("/dev/shm"):
    worker_tmp_dir = "/dev/shm"  # the heartbeat file; on a slow disk a worker could look dead
