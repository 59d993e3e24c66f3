"""Run one attempt at one job: its lease, its inputs, its engine, its result."""
