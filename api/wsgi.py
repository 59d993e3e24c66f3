"""Make the app that gunicorn serves: `gunicorn -k gevent 'api.wsgi:app'`. Reads the settings."""

import logging
import signal

from api.app import create_app
from api.http.body_timeout import TimedBody
from api.http.connection_close import Closable
from api.uploads.sandbox.boot_check import log_missing_layers
from shared.settings import API, read_settings

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")

settings = read_settings(API)
log_missing_layers()
flask = create_app(settings, reap=True)
flask.extensions["services"].shutdown.begin_at(signal.SIGTERM)
app = Closable(TimedBody(flask, settings.body_timeout_s))
