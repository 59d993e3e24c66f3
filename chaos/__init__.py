"""Run many jobs through the real stack while its processes are killed, and check what was promised."""
