"""Serve the native API, one module a surface. Thin: reads the request, asks a service, words the response."""
