"""Speak the S.Rocks.Music API."""

from __future__ import annotations

from flask import Blueprint

from api.dialects.dialect import Dialect, Services
from api.dialects.srocks import routes
from api.dialects.srocks.stored_files import StoredFiles


def blueprints(services: Services) -> list[Blueprint]:
    """Return the routes, over the files that each account has made."""
    settings = services.settings
    files = StoredFiles(services.client, services.job_service, settings.max_stored_files)
    return [routes.blueprint(services.job_service, files, settings)]


DIALECT = Dialect(
    name=routes.SOURCE,
    blueprints=blueprints,
    sections=(routes.SECTION,),
    render_error=routes.render_error,
    paths=("/generate/", "/files"),
)
