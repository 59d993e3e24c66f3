"""Run MusicGen as an engine: `submit(request) -> handle`. Imports no Celery, Redis or settings."""
