"""Uploads of every kind, whole, joined, wrong about themselves and cut off, read in the test's own process."""
