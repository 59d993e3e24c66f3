"""Make music in this process, with the engine of a checkout."""
