"""Run the whole product on one machine, for a laptop, a demo or a test: broker, workers and API as child processes.

Owns starting, watching and stopping them. Refuses to know what a job, a model or a request is.
"""
