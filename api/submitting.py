"""How every dialect hands a request to the core: under the account of its key, with its Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from flask import Response, after_this_request, request

from api.account import current_account
from api.body import read_idempotency_key, replay_header
from api.core import Core, View


def submit(core: Core, fields: Mapping[str, Any], *, source: str, melody: IO[bytes] | None = None) -> View:
    """Raises what `Core.submit` raises, and InvalidRequest for a bad Idempotency-Key. A replay is told by a header."""
    key = read_idempotency_key(request)
    view = core.submit(fields, melody=melody, account=current_account(), source=source, idempotency_key=key)

    @after_this_request
    def _tell(response: Response) -> Response:
        response.headers.update(replay_header(view.replayed))
        return response

    return view
