"""MusicGen as an engine: `load_musicgen`, and `submit(piece) -> handle`. Knows no Celery, Redis or settings."""
