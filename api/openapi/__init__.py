"""Describe the whole API (OpenAPI 3.1) from the models that validate it."""
