"""Carry events and sound from Redis to any number of open connections. Imports no Flask."""
