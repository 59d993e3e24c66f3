"""Run jobs: Celery tasks around attempts, attempts around the engine. Imports no Flask."""
