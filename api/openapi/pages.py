"""Serve /openapi.json, and /docs, where it can be read and tried. Both work without the internet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from flask import Flask, Response
from flask_swagger_ui import get_swaggerui_blueprint

from api.openapi.builder import describe
from api.openapi.operations import Media, Operation, Section
from api.openapi.schemas import NativeError
from api.openapi.service_schemas import Document

SECTION = Section(
    "description",
    "The API's own description.",
    [
        Operation("GET", "/openapi.json", "getDescription", "The OpenAPI description", {200: Document}, alone=True),
        Operation(
            "GET",
            "/docs/",
            "getDocsPage",
            "The description as a page",
            {200: Media("The page", ("text/html",))},
            alone=True,
        ),
        Operation(
            "GET",
            "/docs/<path:path>",
            "getDocsFile",
            "The page's scripts and styles",
            {200: Media("The file", ("text/html", "text/css", "text/javascript", "image/png", "text/plain"))},
            alone=True,
        ),
    ],
    NativeError,
)
CONFIG = {
    "app_name": "Ostinato",
    "validatorUrl": None,  # the badge and the sign-in page would lead elsewhere
    "oauth2RedirectUrl": None,
    "persistAuthorization": True,  # the key is in the browser's localStorage until one logs out; never in an address
    "layout": "BaseLayout",  # without the bar that shows Swagger's name and asks for another description's address
    "defaultModelsExpandDepth": 0,  # a hundred names; each stands with its operation too
}


def install(app: Flask, sections: Sequence[Section], is_open: Callable[[str], bool]) -> None:
    """Serve the description of those sections and its page. `is_open`: whether an address needs no key."""
    text = json.dumps(describe([*sections, SECTION], is_open), ensure_ascii=False)

    @app.get("/openapi.json")
    def openapi() -> Response:
        return Response(text, content_type="application/json")

    app.register_blueprint(get_swaggerui_blueprint("/docs", "/openapi.json", config=CONFIG), name="docs")
