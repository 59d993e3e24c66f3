"""Compute from an engine's slots how many jobs, threads and connections a worker has."""

from __future__ import annotations

MAX_SLOTS = 128  # of an engine that chooses them by memory (engine/model/memory.py)


def engine_capacity(slots: int) -> int:
    """Return how many jobs are in the engine at once: its slots, and a few more to take a free slot at once.

    A job beyond that stays in the queue, where an idle worker may take it, whatever number of threads Celery was given.
    That number bounds how much finished audio waits for the store.
    """
    return slots + slots // 8


def threads_for(slots: int) -> int:
    """Return how many jobs a worker may run: those in the engine, and a few whose audio waits for the store."""
    return engine_capacity(slots) + max(2, slots // 8)


def connections_for(threads: int) -> int:
    """Return how many connections to the broker that many jobs may use at once.

    One for each job's thread, one for the thread that keeps its lease, and some for the worker's own loops.
    """
    return 2 * threads + 16
