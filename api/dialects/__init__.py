"""Speak the published APIs: a folder each, which exports one value, DIALECT."""
