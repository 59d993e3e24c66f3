"""Serve /shared, which needs no key: what a link that shares a task opens, a page with a player, and its audio."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from api.auth.share_links import PATH, TOKEN, ShareLinks
from api.handlers.audio_response import serve_blob
from api.http.error_handlers import RETRY_AFTER_S, status_of
from api.openapi.operations import RANGE, Media, Operation, Section, audio_responses
from api.openapi.schemas import NativeError
from api.page.shared_document import render_sentence, render_shared
from api.services.job_service import JobService
from shared.audio.tags import current_tags_of
from shared.errors import OstinatoError
from shared.jobs.job import Job, Result
from shared.jobs.kept_tasks import Share
from shared.jobs.task_response import audio_name

OPEN_PATHS = frozenset({PATH, f"{PATH}/audio"})


def blueprint(job_service: JobService, share_links: ShareLinks) -> Blueprint:
    bp = Blueprint("shared", __name__)

    def opened() -> tuple[Share, Job, Result]:
        share = share_links.open(request.args.get(TOKEN, ""))
        return share, *job_service.completed(share.task_id, share.grant.account)

    @bp.get(PATH)
    def page() -> Response:
        try:
            share, job, result = opened()
            job_service.blobs.expect_result(result)
        except OstinatoError as error:
            return _sentence(error)
        address = f"shared/audio?{urlencode({TOKEN: request.args[TOKEN]})}"
        return render_shared(current_tags_of(job).title, result.duration_s, address, share.expires_at)

    @bp.get(f"{PATH}/audio")
    def audio() -> AnyResponse:
        """Serve the clip from here, wherever it lies: a store's own link would outlive a link that is withdrawn."""
        _, job, result = opened()
        response = serve_blob(job_service, result, audio_name(job))
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["X-Robots-Tag"] = "noindex"
        return response

    return bp


def _sentence(error: OstinatoError) -> Response:
    status = status_of(error)
    title = "This link opens nothing" if status in (404, 410) else "This link cannot be opened now"
    response = render_sentence(title, f"{error.message[:1].upper()}{error.message[1:]}.", status)
    if error.retryable:
        response.headers["Retry-After"] = str(error.details.get("retry_after_s", RETRY_AFTER_S))
    return response


TOKEN_QUERY = {TOKEN: {"type": "string", "description": "What the link carries"}}
OVER: Sequence[int] = (401, 404, 410)
SECTION = Section(
    "shared",
    "What a link that shares a task opens, without a key.",
    [
        Operation(
            "GET",
            PATH,
            "getSharedPage",
            "A page with a player",
            {
                200: Media("The page", ("text/html",)),
                **{status: Media("A sentence that says why not", ("text/html",)) for status in (*OVER, 503)},
            },
            query=TOKEN_QUERY,
        ),
        Operation(
            "GET",
            f"{PATH}/audio",
            "getSharedAudio",
            "The audio that a link shares",
            audio_responses("The audio", linked=False),
            query=TOKEN_QUERY,
            headers=RANGE,
            failures=(*OVER, 416, 429),
        ),
    ],
    NativeError,
)
