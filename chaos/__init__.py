"""The chaos test: many jobs through the real stack while its parts are killed. Refuses to know how the parts work."""
