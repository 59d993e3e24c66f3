"""Add the headers by which a browser takes a body for what its Content-Type names, and for nothing else."""

from __future__ import annotations

from flask import Request, Response

from api.http.request_state import RequestState


def forbid_sniffing(request: Request, state: RequestState, response: Response) -> None:
    """Forbid content sniffing (X-Content-Type-Options, WHATWG Fetch), errors and stored audio included."""
    response.headers["X-Content-Type-Options"] = "nosniff"
