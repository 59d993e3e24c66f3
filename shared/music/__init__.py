"""Describe the music that is wanted, and judge whether it can be made. Knows no job, no Redis and no HTTP."""
