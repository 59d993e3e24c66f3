"""Serve the page for browsers: which files it has, under which addresses and policy. Imports no service."""
