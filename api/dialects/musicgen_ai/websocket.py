"""Serve the Music Gen AI API's WebSocket, /ws/stream: send a prompt, and receive its audio while it is made.

Owns what may be said on it: `generate`, with the fields of POST /api/v1/generate and `stream`, as often as wanted, one
at a time. A task whose client hangs up is cancelled, unless it is this server that leaves. A browser, which can send no
key, comes with a ticket: an address that is good for a minute.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from typing import Any, Literal

from flask import Blueprint, Response, jsonify, request
from flask.blueprints import BlueprintSetupState
from pydantic import Field
from wsproto.frame_protocol import CloseReason

from api.auth.keys import Keys
from api.auth.origin_guard import NamedPages
from api.auth.stream_limits import OpenRequest, open_stream
from api.dialects.musicgen_ai.bodies import GenerateBody, sentence
from api.dialects.musicgen_ai.routes import PREFIX, STREAM, render_error
from api.dialects.musicgen_ai.schemas import Ticket
from api.dialects.musicgen_ai.websocket_session import WebSocketSession
from api.dialects.validation import Body, read_as, read_sent
from api.handlers.audio_urls import own
from api.http.error_handlers import status_of
from api.http.json_body import read_json_message
from api.http.websocket import Closed, WebSocket, wants_upgrade
from api.openapi.operations import Media, Operation, Section
from api.openapi.schemas import NativeError
from api.services.job_service import JobService
from api.streaming.audio_hub import AudioHub
from api.streaming.shutdown import Shutdown
from shared.errors import FieldError, InvalidRequest, NotServed, OstinatoError, Unauthorized, UpgradeRequired
from shared.settings import Settings

log = logging.getLogger(__name__)

PATHS = (STREAM, f"{PREFIX}{STREAM}")
TICKET_S = 60
LEAST = '{"type": "generate", "prompt": "calm piano"}'
LEAST_TICKET = '{"path": "/ws/stream"}'
WAIT_S = 0.5  # how soon a quiet connection notices that the server is to stop


class StreamBody(GenerateBody):
    """Describe a `generate` message."""

    type: Literal["generate"]
    stream: bool = Field(True, description="false: only progress and the finished file")


class TicketBody(Body):
    path: Literal["/ws/stream", "/api/v1/ws/stream"] = Field("/ws/stream", description="The address to be opened")


class Upgraded(Response):
    """Turn the connection into a WebSocket instead of sending a response."""

    def __init__(self, converse: Callable[[WebSocket], None]) -> None:
        super().__init__(status=101)
        self._converse = converse

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with closing(self), suppress(Closed), closing(WebSocket(environ)) as socket:
            self._converse(socket)
        raise StopIteration  # gunicorn's sign that the connection is used up


def blueprint(
    job_service: JobService, audio_hub: AudioHub, shutdown: Shutdown, keys: Keys, settings: Settings
) -> Blueprint:
    bp = Blueprint("sockets", __name__)
    pages = NamedPages(settings)

    def stream() -> Response:
        _expect_upgrade()
        _expect_allowed_page(pages)
        response = Upgraded(lambda socket: converse(socket, shutdown, opened, session))
        opened = open_stream(response)
        session = WebSocketSession(job_service, audio_hub, shutdown, keys, settings, opened)
        return response

    @bp.record
    def at_both_addresses(setup: BlueprintSetupState) -> None:
        for path in PATHS:
            for opens in (True, False):  # werkzeug keeps the two apart; a plain GET is refused with a hint
                setup.app.add_url_rule(path, "sockets.stream", stream, websocket=opens)

    @bp.post("/tickets")
    def ticket() -> Response:
        path = read_as(
            TicketBody,
            read_sent(request, example=LEAST_TICKET).fields,
            lambda field, detail: f"{field}: {detail['msg']}",
        ).path
        response: Ticket = {"url": request.script_root + own(path, TICKET_S), "expires_in_s": TICKET_S}
        return jsonify(response)

    return bp


def _expect_upgrade() -> None:
    """Refuse a plain GET, and a server that opens no WebSockets. Raises UpgradeRequired, NotServed."""
    if not wants_upgrade(request.environ):
        message = f"{request.path} is a WebSocket (version 13): open it with a WebSocket client, or use POST /tasks"
        raise UpgradeRequired(f'{message} with "stream": true and GET /tasks/<id>/stream')
    if "gunicorn.socket" not in request.environ:
        raise NotServed("this server opens no WebSockets; the API runs under gunicorn with gevent")


def _expect_allowed_page(pages: NamedPages) -> None:
    """Refuse the pages that CORS_ORIGINS does not name: browsers let any page open a WebSocket. Raises Unauthorized."""
    origin = request.headers.get("Origin")
    if origin is None or not pages.any or origin == request.host_url.rstrip("/"):
        return
    if not pages.includes(origin):
        raise Unauthorized(f"pages of {origin} may not use this service; its operator names those in CORS_ORIGINS")


def converse(socket: WebSocket, shutdown: Shutdown, opened: OpenRequest, session: WebSocketSession) -> None:
    """Serve one message after the other. Raises Closed."""
    while not shutdown.begun:
        try:
            opened.expect_good_key()
            message = socket.receive(WAIT_S)
            if message is None:
                continue
            _serve(socket, session, message)
        except Unauthorized as error:
            socket.send(error_message(error))
            socket.close(CloseReason.POLICY_VIOLATION, "the API key is no longer good")
            return
        except OstinatoError as error:
            socket.send(error_message(error))
        except Closed:
            raise
        except Exception:
            log.exception("%s", request.path)
            socket.send(error_message(OstinatoError("something went wrong here; it is in the server's log")))
    socket.close(CloseReason.GOING_AWAY, "the server is stopping; its tasks go on")


def _serve(socket: WebSocket, session: WebSocketSession, message: str | bytes) -> None:
    fields = read_message(message)
    if fields.get("type") != "generate":
        asked = repr(fields.get("type"))[:60]
        raise InvalidRequest([FieldError("type", f'is {asked}; send "generate"', asked)])
    body = read_as(StreamBody, fields, sentence)
    wanted = body.as_fields()
    wanted.pop("type")
    messages: Iterable[dict[str, Any]] = session.generate(wanted, lambda: socket.open)
    try:
        for each in messages:
            socket.send(json.dumps(each))
    except Closed:
        session.hang_up()
        raise


def read_message(message: str | bytes) -> dict[str, Any]:
    """Return the object that a message is. Raises InvalidRequest."""
    if not isinstance(message, str) or not message.lstrip().startswith("{"):
        words = f"is no JSON object; send text such as {LEAST}"
        raise InvalidRequest([FieldError("message", words, repr(message[:40]), "INVALID_JSON")])
    return read_json_message(message, LEAST)


def error_message(error: OstinatoError) -> str:
    """Return an error in the document's shape, as a message."""
    return json.dumps({"type": "error", **render_error(error, status_of(error))})


SECTION = Section(
    "streaming",
    "The WebSocket for music while it is made, and tickets to open it from a browser.",
    [
        *(
            Operation("GET", path, name, "A WebSocket", {101: Media("It is open")}, failures=(426, 501), alone=True)
            for path, name in zip(PATHS, ("openWebSocket", "musicgenAiOpenWebSocket"), strict=True)
        ),
        Operation(
            "POST",
            "/tickets",
            "createTicket",
            "A ticket for the WebSocket",
            {200: Ticket},
            body=TicketBody,
            example={"path": "/ws/stream"},
        ),
    ],
    NativeError,
)
