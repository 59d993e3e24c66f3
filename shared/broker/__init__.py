"""Connect to the Redis-protocol server: pools, counters, the leader's lock."""
