"""The entry point: `gunicorn -k gevent 'api.wsgi:app'`. Reads the settings."""

import logging
import signal

from api.app import create_app
from shared.settings import read_settings

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")

app = create_app(read_settings(), sweep=True)
app.extensions["following"].stop_at(signal.SIGTERM)
