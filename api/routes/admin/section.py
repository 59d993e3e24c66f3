"""Gather the operator's routes into one blueprint and one section of the description."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.authenticate import current_actor
from api.openapi.operations import Section
from api.openapi.schemas import NativeError
from api.routes.admin import audit, jobs, keys, overview
from api.services.administration import Administration


def blueprint(administration: Administration) -> Blueprint:
    bp = Blueprint("admin", __name__, url_prefix="/admin/api")
    bp.before_request(_expect_operator)
    bp.after_request(_keep_out_of_caches)
    overview.add_routes(bp, administration)
    jobs.add_routes(bp, administration)
    keys.add_routes(bp, administration)
    audit.add_routes(bp, administration)
    return bp


def _expect_operator() -> None:
    """Refuse again whom authentication should have kept out, should a route be reached by another way."""
    current_actor()


def _keep_out_of_caches(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


SECTION = Section(
    "admin",
    "For operators: a key with the scope admin opens these, and while no key exists whoever sits at the machine.",
    [*overview.OPERATIONS, *jobs.OPERATIONS, *keys.OPERATIONS, *audit.OPERATIONS],
    NativeError,
)
