"""Subscribe to a job's events, and keep the deliveries to receivers until each is settled."""
