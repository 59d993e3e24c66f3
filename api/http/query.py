"""Read numbers of a request's query string. Knows no route."""

from __future__ import annotations

from flask import request

from shared.errors import FieldError, InvalidRequest


def read_number(name: str, default: int, least: int, most: int) -> int:
    """Return a whole number of the query string, or its default. Raises InvalidRequest."""
    value = request.args.get(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) <= 12 and least <= int(value) <= most):
        raise InvalidRequest([FieldError(name, f"send a whole number from {least} to {most}", repr(value)[:80])])
    return int(value)
