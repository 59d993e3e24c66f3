"""The web side: Flask around the job core. Imports no torch, and never the worker."""
