"""Serve operators under /admin/api: workers, queues, tasks, dead letters, keys, charts, the audit log."""
