"""Define the native API's own responses. A task's and a batch's are in shared/jobs/response_schemas.py.

mypy holds what the routes build to them, the OpenAPI description and the clients' types are made of them, and
tests/api/openapi/test_fuzz.py holds the real responses to the description.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, WithJsonSchema, with_config
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

from shared.jobs.response_schemas import BatchResponse, ResponseSchema, TaskResponse
from shared.webhooks.delivery_queue import State

# of a request: a recording in JSON
AudioUri = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[Dd][Aa][Tt][Aa]:.+;[Bb][Aa][Ss][Ee]64,[A-Za-z0-9+/]+={0,2}$",
            "description": "a recording as a data: URI of an audio type, in base64",
            "examples": ["data:audio/wav;base64,UklGRiQAAABXQVZF"],
        }
    ),
]


class BadField(ResponseSchema):
    """Describe a bad field of the request: what was sent (shortened), what is wrong, and what to send instead."""

    field: str
    value: str
    message: str
    code: str


@with_config(ConfigDict(extra="allow"))
class ErrorDetails(TypedDict, total=False):
    """Hold what the error's code has to say: of a bad request its bad fields, the first ones; others have their own."""

    fields: list[BadField]
    more: Annotated[int, Field(description="how many bad fields there are beside those")]
    retry_after_s: float


class DescribedAs:
    """Describe a field of a response as another type, for what is handed on from where it is less known."""

    def __init__(self, kind: type[Any]) -> None:
        self._kind = kind

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(self._kind)


Details = Annotated[dict[str, Any], DescribedAs(ErrorDetails)]


class Fault(ResponseSchema):
    """Say what was wrong, for programs (`code`) and people (`message`)."""

    code: str
    message: str
    details: Details


class NativeError(ResponseSchema):
    """Say what was wrong, for programs (`code`), people (`message`) and forms (`details`)."""

    error: Fault


class PollError(ResponseSchema):
    """Why a task cannot be polled, in the fields of a failed one."""

    error: str
    error_code: str
    error_details: Details
    status: NotRequired[
        Annotated[Literal["failed"], Field(description="only beside an unknown task: for pollers that read no more")]
    ]


class TextError(ResponseSchema):
    """Say what was wrong, in a sentence."""

    error: str


class TaskPage(ResponseSchema):
    """List the account's tasks, newest first."""

    tasks: list[TaskResponse]
    total: Annotated[int, Field(description="of all, or of those that q and favourite leave")]
    limit: int
    offset: int
    searched: NotRequired[Annotated[int, Field(description="with q: among how many of the newest tasks it was sought")]]


class SubmittedTask(TaskResponse):
    """Describe the new task. `kind` tells it from a batch."""

    kind: Literal["task"]


class SubmittedBatch(BatchResponse):
    """Describe the new batch, which is what `variations` make. `kind` tells it from a task."""

    kind: Literal["batch"]


class PurgedTask(ResponseSchema):
    """Say that all that was kept of the task is removed."""

    task_id: str
    purged: Literal[True]


class DeliveryAttempt(ResponseSchema):
    """Describe one request to the receiver of a webhook; `status` is null where there was no response."""

    at: float
    duration_s: float
    status: int | None
    error: str | None


class DeliveryResponse(ResponseSchema):
    """Describe one event on its way to the receiver. `attempts` are the latest, `attempts_made` counts all."""

    webhook_id: str
    event: str
    state: State
    happened_at: float
    attempts_made: int
    next_attempt_at: float | None
    attempts: list[DeliveryAttempt]


class TaskDeliveries(ResponseSchema):
    """List the deliveries of the task's webhook."""

    task_id: str
    webhook_url: str | None
    webhook_events: list[str]
    deliveries: list[DeliveryResponse]


class ShareResponse(ResponseSchema):
    """Describe a link that shares a task: whoever has it can hear that task, without a key."""

    share_id: str
    task_id: str
    url: Annotated[str, Field(description="a page with a player; its audio is below it")]
    created_at: Annotated[float, Field(description="UNIX seconds")]
    expires_at: Annotated[float, Field(description="UNIX seconds")]


class TaskShares(ResponseSchema):
    """List the links that share the task now, the one that ends last first."""

    task_id: str
    shares: list[ShareResponse]


class WithdrawnShare(ResponseSchema):
    """Say that the link opens nothing any more."""

    share_id: str
    withdrawn: Literal[True]
