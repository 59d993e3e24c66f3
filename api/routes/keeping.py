"""Serve what keeps a task: PATCH /tasks/<id> for its title and favourites, and the links that share it."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.auth.authenticate import current_auth
from api.auth.share_links import ShareLinks
from api.handlers.audio_urls import absolute
from api.http.body_model import read_model
from api.http.request_body import read_body
from api.openapi.operations import Operation, Section
from api.openapi.schemas import NativeError, ShareResponse, TaskShares, WithdrawnShare
from api.routes.tasks import from_job
from api.services.job_service import JobService
from shared.errors import FieldError, InvalidRequest
from shared.jobs.kept_tasks import Share
from shared.jobs.response_schemas import TaskResponse
from shared.music.request_fields import TITLE_CHARACTERS, Integer, plain_title
from shared.settings import Settings

SHARED_FOR_S = (3600, 30 * 24 * 3600)
USUAL_S = 7 * 24 * 3600
LEAST_EDIT = '{"favourite": true}'


class TaskEdit(BaseModel):
    """Describe what PATCH /tasks/<id> changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    title: Annotated[str | None, AfterValidator(plain_title)] = Field(
        None,
        max_length=TITLE_CHARACTERS,
        description=f"the task's title, at most {TITLE_CHARACTERS} characters; null or an empty one takes it away",
    )
    favourite: bool | None = Field(
        None, description="true to keep the task and its audio until it is unmarked, or false to unmark it"
    )


class ShareBody(BaseModel):
    """Describe what POST /tasks/<id>/share takes."""

    model_config = ConfigDict(extra="forbid")
    expires_in_s: Integer | None = Field(
        USUAL_S,
        ge=SHARED_FOR_S[0],
        le=SHARED_FOR_S[1],
        description=f"seconds that the link lives, from {SHARED_FOR_S[0]} (an hour) to {SHARED_FOR_S[1]} (30 days)",
    )


def blueprint(job_service: JobService, share_links: ShareLinks, settings: Settings) -> Blueprint:
    bp = Blueprint("keeping", __name__)
    keeping = job_service.keeping

    def from_share(share: Share) -> ShareResponse:
        return {
            "share_id": share.id,
            "task_id": share.task_id,
            "url": absolute(settings, share_links.address(share)),
            "created_at": share.created_at,
            "expires_at": share.expires_at,
        }

    @bp.patch("/tasks/<task_id>")
    def edit(task_id: str) -> Response:
        asked = read_model(TaskEdit, read_body(request, example=LEAST_EDIT).fields)
        if not asked.model_fields_set:
            raise InvalidRequest([FieldError("body", "changes nothing; send title, favourite, or both", "{}")])
        title = (asked.title or "") if "title" in asked.model_fields_set else None
        state = keeping.edit(task_id, current_auth().account, title=title, favourite=asked.favourite)
        return jsonify(from_job(job_service, state))

    @bp.post("/tasks/<task_id>/share")
    def share(task_id: str) -> tuple[Response, int]:
        asked = read_model(ShareBody, read_body(request, example='{"expires_in_s": 86400}').fields)
        auth = current_auth()
        made = keeping.share(task_id, asked.expires_in_s or USUAL_S, auth.account, auth.key_id)
        return jsonify(from_share(made)), 201

    @bp.get("/tasks/<task_id>/share")
    def shares(task_id: str) -> Response:
        found = [from_share(each) for each in keeping.shares(task_id, current_auth().account)]
        response: TaskShares = {"task_id": task_id, "shares": found}
        return jsonify(response)

    @bp.delete("/tasks/<task_id>/share/<share_id>")
    def withdraw(task_id: str, share_id: str) -> Response:
        keeping.withdraw(task_id, share_id, current_auth().account)
        response: WithdrawnShare = {"share_id": share_id, "withdrawn": True}
        return jsonify(response)

    return bp


SECTION = Section(
    "keeping",
    "How a task is kept: its title, favourites, and links that share it.",
    [
        Operation(
            "PATCH",
            "/tasks/<task_id>",
            "editTask",
            "Change a task's title, or make it a favourite",
            {200: TaskResponse},
            body=TaskEdit,
            example={"title": "Night", "favourite": True},
            failures=(409,),
        ),
        Operation(
            "POST",
            "/tasks/<task_id>/share",
            "shareTask",
            "Share a task by a link that needs no key",
            {201: ShareResponse},
            body=ShareBody,
            example={"expires_in_s": 86400},
            failures=(409,),
        ),
        Operation("GET", "/tasks/<task_id>/share", "listTaskShares", "The links that share a task", {200: TaskShares}),
        Operation(
            "DELETE",
            "/tasks/<task_id>/share/<share_id>",
            "withdrawTaskShare",
            "Take back a link that shares a task",
            {200: WithdrawnShare},
        ),
    ],
    NativeError,
)
