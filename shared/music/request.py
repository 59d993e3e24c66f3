"""MusicRequest: one validated description of the music wanted. The only validator; every dialect ends here.

Ranges here are the widest of all dialects; a dialect with narrower ones checks them itself. What depends on the
model (its longest piece, its tokenizer) comes in as `Limits`, so that all bad fields are reported together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from shared.errors import FieldError, InvalidRequest
from shared.field_errors import FAULTS_LISTED
from shared.music.audio_refs import BeginningRef, MelodyRef
from shared.music.blank_text import is_blank
from shared.music.priority import Priority
from shared.webhooks.subscription import FIELDS as WEBHOOK_FIELDS

OutputFormat = Literal["wav", "mp3", "ogg", "flac", "opus"]
MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exact
LOUDNESS_LUFS = (-40, -6)
MIN_DURATION_S = 0.5
LONGEST_S = 7 * 24 * 3600  # to wait for a job
LONGEST_AUDIO_S = 3600.0
REMEDIED = "remedied"  # the message of such a fault already says what to send
BATCH_FIELDS = ("variations",)  # of POST /tasks alone: api/services/batch_request.py


@dataclass(frozen=True)
class Limits:
    """What the chosen model allows. `count_tokens` is None while nobody has announced a tokenizer."""

    max_duration_s: float
    max_prompt_tokens: int
    max_prompt_chars: int
    count_tokens: Callable[[str], int] | None = None


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "must be a number, not true or false")
    return value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_no_bool)]


class MusicRequest(BaseModel):
    """Frozen. Each description says what to send; error messages end with it as the remedy."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    # these stand first: whether a blank prompt is allowed depends on them, and on the beginning the duration
    continue_from: BeginningRef | None = Field(
        None, description="a completed task's id, or the file field continue_audio of a multipart form"
    )
    continue_seconds: Number | None = Field(
        None, ge=MIN_DURATION_S, le=LONGEST_AUDIO_S, description="seconds of its end to go on from, such as 10"
    )
    melody: MelodyRef | None = Field(
        None, description="a wav, mp3, ogg, flac, m4a, aac or webm file in a multipart form"
    )
    prompt: str = Field(
        "",
        validate_default=True,
        description="text that says what to hear, such as 'slow sad piano in A minor'",
    )
    model: str = Field(..., description="a model's name; GET /models lists them")
    duration_s: Number = Field(8.0, alias="duration", validate_default=True, description="seconds of music, such as 8")
    temperature: Number = Field(1.0, ge=0, le=2, description="a number from 0 (greedy) to 2")
    top_k: Whole = Field(250, ge=0, le=65536, description="a whole number from 0 (off) up, such as 250")
    top_p: Number = Field(0.0, ge=0, le=1, description="a number from 0 (off; top_k counts) to 1")
    guidance_scale: Number = Field(3.0, ge=0, le=20, description="a number from 0 (unconditional) to 20")
    seed: Whole | None = Field(
        None, ge=0, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}; leave it out for a random one"
    )
    output_format: Annotated[OutputFormat, BeforeValidator(_lower)] = Field(
        "wav", description=f"one of {', '.join(get_args(OutputFormat))}"
    )
    loudness: Number | None = Field(
        None,
        ge=LOUDNESS_LUFS[0],
        le=LOUDNESS_LUFS[1],
        description="LUFS to bring the file to, from -40 to -6 such as -14; left out, the model's own level stays",
    )
    stream: bool = Field(
        False, description="true to hear it while it is made (its peaks are limited as they come), or false"
    )
    title: str | None = Field(None, max_length=200, description="the title in the file's tags, at most 200 characters")
    client_id: str | None = Field(None, max_length=200, description="your own id, at most 200 characters")
    priority: Annotated[Priority, BeforeValidator(_lower)] = Field("normal", description="one of high, normal, low")
    timeout_s: Number | None = Field(
        None, ge=1, le=LONGEST_S, description=f"seconds from its first start to its end, from 1 to {LONGEST_S}"
    )
    ttl_s: Number | None = Field(
        None, ge=1, le=LONGEST_S, description=f"seconds it may wait for its first start, from 1 to {LONGEST_S}"
    )
    cache: bool = Field(True, description="true, or false to have the music made anew")

    @property
    def made_s(self) -> float:
        """Seconds of music to be made: what it goes on from is there already."""
        return self.duration_s - (self.continue_from.seconds if self.continue_from else 0.0)

    @property
    def awaits(self) -> tuple[str, ...]:
        """The task that it goes on from, where that had not completed when it was accepted."""
        beginning = self.continue_from
        return (beginning.task,) if beginning is not None and beginning.task is not None and not beginning.key else ()

    @field_validator("prompt")
    @classmethod
    def _bounded_prompt(cls, prompt: str, info: ValidationInfo) -> str:
        prompt = "" if is_blank(prompt) else prompt.strip()
        if not prompt and info.data.get("melody") is None and info.data.get("continue_from") is None:
            raise PydanticCustomError("prompt", "is empty or blank")
        if "\x00" in prompt:
            raise PydanticCustomError("prompt", "holds a NUL character; remove it")
        limits: Limits | None = (info.context or {}).get("limits")
        if limits is not None:
            _refuse_over_long(prompt, limits)
        return prompt

    @field_validator("stream")
    @classmethod
    def _streamable(cls, stream: bool, info: ValidationInfo) -> bool:
        if stream and info.data.get("loudness") is not None:
            raise PydanticCustomError(
                REMEDIED, "does not go with loudness, which needs the whole clip before its first sound; leave one out"
            )
        return stream

    @field_validator("title")
    @classmethod
    def _plain_title(cls, title: str | None) -> str | None:
        if title is not None and "\x00" in title:
            raise PydanticCustomError("title", "holds a NUL character; remove it")
        return (title or "").strip() or None

    @field_validator("duration_s")
    @classmethod
    def _bounded_duration(cls, duration_s: float, info: ValidationInfo) -> float:
        limits: Limits | None = (info.context or {}).get("limits")
        longest = limits.max_duration_s if limits else float("inf")
        if not MIN_DURATION_S <= duration_s <= longest:
            raise PydanticCustomError(
                "duration", f"must be from {MIN_DURATION_S:g} to {longest:g} seconds for this model"
            )
        _expect_something_to_make(duration_s, info.data.get("continue_from"), longest)
        return duration_s

    @field_validator("continue_seconds")
    @classmethod
    def _of_a_beginning(cls, seconds: float | None, info: ValidationInfo) -> float | None:
        if seconds is not None and info.data.get("continue_from") is None:
            message = "says how much of the audio in continue_from to take; send that too, or leave this out"
            raise PydanticCustomError(REMEDIED, message)
        return seconds


def _expect_something_to_make(duration_s: float, beginning: BeginningRef | None, longest: float) -> None:
    if beginning is None or duration_s >= beginning.seconds + MIN_DURATION_S:
        return
    least = math.ceil(10 * (beginning.seconds + MIN_DURATION_S)) / 10
    remedy = f"send {least:g} or more, or continue_seconds to take less of the audio"
    if least > longest:
        remedy = f"send continue_seconds of at most {longest - MIN_DURATION_S:g} to take only the end of the audio"
    raise PydanticCustomError(
        REMEDIED,
        f"leaves nothing to make: it counts the {beginning.seconds:g} s of continue_from too; {remedy}",
    )


def _refuse_over_long(prompt: str, limits: Limits) -> None:
    if len(prompt) > limits.max_prompt_chars:
        raise PydanticCustomError(
            "prompt", f"has {len(prompt)} characters; at most {limits.max_prompt_chars} are read. Shorten it"
        )
    tokens = limits.count_tokens(prompt) if limits.count_tokens else 0
    if tokens > limits.max_prompt_tokens:
        raise PydanticCustomError(
            "prompt", f"has {tokens} tokens; at most {limits.max_prompt_tokens} are read. Shorten it"
        )


def parse_request(
    fields: Mapping[str, Any], limits: Limits | None, *, also: tuple[FieldError, ...] = ()
) -> MusicRequest:
    """Validate `fields` under `limits`; `also` are errors already found, reported with the new ones.

    Raises InvalidRequest that lists every bad field with its value and the remedy.
    """
    try:
        request = MusicRequest.model_validate(dict(fields), context={"limits": limits})
    except ValidationError as error:
        details = error.errors(include_url=False)
        found = [_field_error(detail) for detail in details[:FAULTS_LISTED]]
        raise InvalidRequest([*also, *found], len(details) - len(found)) from None
    if also:
        raise InvalidRequest(also)
    return request


def _field_error(error: ErrorDetails) -> FieldError:
    field = str(error["loc"][0])[:60] if error["loc"] else "body"
    if error["type"] != "extra_forbidden" and field in MusicRequest.model_fields:
        field = MusicRequest.model_fields[field].alias or field  # a bad default comes under its own name
    value = _shortened(error["input"])
    if error["type"] == "extra_forbidden":
        return FieldError(field, _unknown_field_message(), value, "UNKNOWN_FIELD")
    code = "INVALID_PROMPT" if field == "prompt" else "INVALID_REQUEST"
    message = error["msg"][:1].lower() + error["msg"][1:]
    if error["type"] == REMEDIED:
        return FieldError(field, f"{message} (got {value})", value, code)
    return FieldError(field, f"{message} (got {value}). Send {_remedy(field, error['input'])}", value, code)


def _shortened(value: object, longest: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


@cache
def _unknown_field_message() -> str:
    return f"unknown field; leave it out. Known: {', '.join(sorted({*field_names(), *WEBHOOK_FIELDS, *BATCH_FIELDS}))}"


def field_names() -> dict[str, str]:
    """Public name of each field -> its description."""
    return {f.alias or name: f.description or "" for name, f in MusicRequest.model_fields.items()}


def _remedy(field: str, found: object) -> str:
    """Return what to send instead; whoever sends null for a field wants its default."""
    wanted = field_names().get(field, "another value")
    return f"{wanted}, or leave it out" if found is None and field != "prompt" else wanted
