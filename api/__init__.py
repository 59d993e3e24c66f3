"""Serve HTTP: Flask around the services. Imports no torch, and never the worker."""
