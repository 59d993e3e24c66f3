"""Speak the API of /v1/audio/music."""

from __future__ import annotations

from api.dialects.dialect import Dialect
from api.dialects.v1_audio import routes
from shared.dialects.v1_audio import SOURCE

DIALECT = Dialect(
    name=SOURCE,
    blueprints=lambda services: [routes.blueprint(services.job_service, services.settings)],
    sections=(routes.SECTION,),
    render_error=routes.render_error,
    paths=("/v1/",),
)
