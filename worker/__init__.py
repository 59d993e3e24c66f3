"""The GPU side: Celery tasks around the engine. Imports no flask."""
