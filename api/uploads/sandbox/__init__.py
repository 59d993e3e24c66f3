"""Confine the process that decodes an upload with what the kernel offers."""
