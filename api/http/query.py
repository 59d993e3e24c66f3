"""Read single fields of a request's query string. Knows no route."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request

from shared.errors import FieldError, InvalidRequest


def read_number(name: str, default: int, least: int, most: int) -> int:
    """Return a whole number of the query string, or its default. Raises InvalidRequest."""
    value = request.args.get(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) <= 12 and least <= int(value) <= most):
        raise InvalidRequest([FieldError(name, f"send a whole number from {least} to {most}", repr(value)[:80])])
    return int(value)


def read_word(name: str, words: Sequence[str]) -> str | None:
    """Return one of these words, in whatever case it came; None where it was left out. Raises InvalidRequest."""
    value = request.args.get(name, "").strip().lower()
    if value and value not in words:
        raise InvalidRequest([FieldError(name, f"send one of {', '.join(words)}, or leave it out", repr(value)[:80])])
    return value or None


def read_text(name: str, longest: int) -> str:
    """Return a text of the query string, empty where it was left out. Raises InvalidRequest for a longer one."""
    value = request.args.get(name, "")
    if len(value) > longest:
        raise InvalidRequest([FieldError(name, f"send at most {longest} characters", repr(value))])
    return value
