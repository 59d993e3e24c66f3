"""Generate checkpoints for tests, and the pages and types that follow from the code."""
