"""Say this package's version, which is that of the server it was made with. Written by tools/versions.py."""

__version__ = "0.2.0"
