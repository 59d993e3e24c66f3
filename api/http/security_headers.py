"""Add the headers by which a browser takes a body for what its Content-Type names, and for nothing else."""

from __future__ import annotations

from flask import Flask, Response


def forbid_sniffing(app: Flask) -> None:
    """Forbid content sniffing (X-Content-Type-Options, WHATWG Fetch), errors and stored audio included."""

    @app.after_request
    def _add_header(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
