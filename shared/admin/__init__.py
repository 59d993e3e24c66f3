"""Do what operators ask, with an audit log, and show them workers, queues, jobs and the last hour. Knows no HTTP."""
