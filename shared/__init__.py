"""Hold what the API and the workers both know. Imports neither flask nor torch."""
