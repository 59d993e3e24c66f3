"""Serve /, which is the page in a browser and JSON for programs, and the page's files. Both need no key."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from werkzeug.wrappers import Response as AnyResponse

from api.handlers.health import HealthCheck
from api.openapi.operations import Media, Operation, Section
from api.openapi.schemas import NativeError
from api.openapi.service_schemas import Addresses, Index
from api.page.document import render_page
from api.page.negotiation import VARY, opens_a_page
from api.page.page_files import PREFIX, PageFile, read_page_files
from api.services.job_service import JobService
from shared.errors import NotFound, OstinatoError
from shared.page_origins import origin_of
from shared.storage import Storage
from shared.version import VERSION

FOR_GOOD = "public, max-age=31536000, immutable"
ADDRESSES: Addresses = {
    "name": "Ostinato",
    "submit": "POST /tasks",
    "batch": "POST /tasks/batch",
    "poll": "GET /tasks/<task_id>",
    "audio": "GET /tasks/<task_id>/audio",
    "cancel": "DELETE /tasks/<task_id>",
    "models": "GET /models",
    "health": "GET /health",
    "docs": "GET /docs",
    "openapi": "GET /openapi.json",
    "page": "GET / in a browser",
}


def blueprint(job_service: JobService, health: HealthCheck) -> Blueprint:
    bp = Blueprint("page", __name__)

    @bp.get("/")
    def index() -> Response:
        if opens_a_page(request):
            response = render_page(read_page_files(), _store_origin(job_service.storage))
        else:
            response = jsonify(_describe(job_service, health))
        response.headers["Vary"] = VARY
        return response

    @bp.get("/admin")
    def admin() -> Response:
        """Serve operators' page; what it shows and does is behind /admin/api."""
        return render_page(read_page_files(), None, "admin.js")

    @bp.get(f"/{PREFIX}/<path:path>")
    def file(path: str) -> AnyResponse:
        files = read_page_files()
        found = None if files is None else files.find(path)
        if found is None:
            raise NotFound(f"the page has no file {path[:100]!r}")
        return _send(*found)

    return bp


def _describe(job_service: JobService, health: HealthCheck) -> Index:
    """Return how the service is, in the words of the S.Rocks document, and where everything else is."""
    model_service = job_service.model_service
    default = model_service.expected_default()
    device = next((p.device for p in model_service.workers() if p.model == default), "none")
    listed = next((model.listed_name for model in model_service.models() if model.name == default), default)
    return {
        "status": "unhealthy" if health.faults() else "healthy",
        "model": listed,
        "device": device,
        "version": VERSION,
        **ADDRESSES,
    }


def _store_origin(storage: Storage) -> str | None:
    """Return the origin of the store's own links to audio; None where it has none, or cannot sign any now."""
    try:
        link = storage.link(storage.names.result("any", 1, "wav"))  # signed without asking the store
    except OstinatoError:
        return None
    return origin_of(link) if link else None


def _send(file: PageFile, by_digest: bool) -> AnyResponse:
    zipped = request.accept_encodings.quality("gzip") > 0
    response = Response(file.zipped if zipped else file.content, content_type=file.media_type)
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = FOR_GOOD if by_digest else "no-cache"
    response.set_etag(f"{file.digest}{'-gzip' if zipped else ''}")
    return response.make_conditional(request)


SECTION = Section(
    "page",
    "The page for browsers.",
    [
        Operation(
            "GET",
            "/",
            "getIndex",
            "What this is; in a browser, the page",
            {200: Media("What this is, or the page", ("application/json", "text/html"), (Index,))},
        ),
        Operation(
            "GET",
            "/admin",
            "getAdminPage",
            "The operator's page",
            {200: Media("The page", ("text/html",))},
            failures=(403,),
        ),
        Operation(
            "GET",
            f"/{PREFIX}/<path:path>",
            "getPageFile",
            "The page's scripts and styles",
            {200: Media("The file", ("text/javascript", "text/css", "image/svg+xml", "text/plain"))},
            alone=True,
        ),
    ],
    NativeError,
)
