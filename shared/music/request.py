"""Describe the music that is wanted as one validated MusicRequest: every API's request becomes one.

Ranges here are the widest of all dialects; a dialect with narrower ones checks them itself. What depends on the
model (its longest piece, its tokenizer) comes in as `Limits`, so that all bad fields are reported together. A field is
declared here and nowhere else: what follows from it stands beside it, and `FIELDS` is the table of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from shared.music.audio_refs import BeginningRef, MelodyRef
from shared.music.blank_text import is_blank
from shared.music.formats import FORMATS
from shared.music.priority import Priority
from shared.music.request_fields import (
    OTHER_FIELDS,
    SAMPLING,
    TASK,
    TASK_OF_EACH,
    TEMPO_OR_KEY,
    TITLE_CHARACTERS,
    FieldSpec,
    Integer,
    Key,
    Number,
    TempoBpm,
    plain_title,
    spec_of,
)
from shared.music.request_limits import (
    MIN_DURATION_S,
    REMEDIED,
    Limits,
    expect_beginning,
    expect_short_enough,
    expect_something_to_make,
)
from shared.music.tempo_and_key import TEMPO_BPM, overruled, put_in

OutputFormat = Literal["wav", "mp3", "ogg", "flac", "opus", "m4a", "aac"]
MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exact
LOUDNESS_LUFS = (-40, -6)
LONGEST_S = 7 * 24 * 3600  # to wait for a job
LONGEST_AUDIO_S = 3600.0


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


class MusicRequest(BaseModel):
    """Hold what one task is to make. Each description says what to send; error messages end with it as the remedy."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    # these stand first: whether a blank prompt is allowed depends on them, on the beginning the duration, and the tempo
    # and the key are put into the prompt
    continue_from: Annotated[BeginningRef | None, FieldSpec("music", schema=3)] = Field(
        None, description="a completed task's id; audio of your own goes into continue_audio"
    )
    continue_seconds: Annotated[Number | None, FieldSpec(part=True)] = Field(  # it decides the music in `continue_from`
        None, ge=MIN_DURATION_S, le=LONGEST_AUDIO_S, description="seconds of its end to go on from, such as 10"
    )
    continue_at: Annotated[Number | None, FieldSpec("music", schema=5, echoed=True)] = Field(
        None, ge=MIN_DURATION_S, le=LONGEST_AUDIO_S, description="seconds of the earlier task to keep, such as 12.5"
    )
    melody: Annotated[MelodyRef | None, FieldSpec("music", first=True, file=True, part=True)] = Field(
        None, description="a wav, mp3, ogg, flac, m4a, aac or webm file in a multipart form, or a data: URI of one"
    )
    tempo_bpm: Annotated[TempoBpm | None, TEMPO_OR_KEY] = Field(
        None,
        description=f"whole beats a minute from {TEMPO_BPM[0]} to {TEMPO_BPM[1]}, such as 94; a tempo that the prompt "
        "names comes before it",
    )
    key: Annotated[Key | None, TEMPO_OR_KEY] = Field(
        None, description="a key such as 'A minor', 'Bb major' or 'F# minor'; one that the prompt names comes before it"
    )
    prompt: Annotated[str, FieldSpec("music", first=True, part=True, continued=True)] = Field(
        "",
        validate_default=True,
        description="text that says what to hear, such as 'slow sad piano in A minor'",
    )
    model: Annotated[str, FieldSpec("music", first=True, multi=True, each_part=True, continued=True)] = Field(
        ..., description="a model's name; GET /models lists them"
    )
    duration_s: Annotated[Number, FieldSpec("music", first=True, multi=True, each_part=True)] = Field(
        8.0, alias="duration", validate_default=True, description="seconds of music, such as 8"
    )
    temperature: Annotated[Number, SAMPLING] = Field(1.0, ge=0, le=2, description="a number from 0 (greedy) to 2")
    top_k: Annotated[Integer, SAMPLING] = Field(
        250, ge=0, le=65536, description="a whole number from 0 (off) up, such as 250"
    )
    top_p: Annotated[Number, SAMPLING] = Field(0.0, ge=0, le=1, description="a number from 0 (off; top_k counts) to 1")
    guidance_scale: Annotated[Number, SAMPLING] = Field(
        3.0, ge=0, le=20, description="a number from 0 (unconditional) to 20"
    )
    seed: Annotated[Integer | None, FieldSpec("music", first=True, part=True, multi=True, local=True, option=True)] = (
        Field(
            None, ge=0, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}; leave it out for a random one"
        )
    )
    output_format: Annotated[
        OutputFormat, BeforeValidator(_lower), FieldSpec("file", first=True, multi=True, local=True)
    ] = Field("wav", description=f"one of {', '.join(get_args(OutputFormat))}")
    loudness: Annotated[Number | None, FieldSpec("file", multi=True, local=True, option=True)] = Field(
        None,
        ge=LOUDNESS_LUFS[0],
        le=LOUDNESS_LUFS[1],
        description="LUFS to bring the file to, from -40 to -6 such as -14; left out, the model's own level stays",
    )
    stream: Annotated[bool, FieldSpec("file", schema=3)] = Field(
        False, description="true to hear it while it is made (its peaks are limited as they come), or false"
    )
    title: Annotated[
        str | None, AfterValidator(plain_title), FieldSpec("file", multi=True, local=True, option=True)
    ] = Field(
        None,
        max_length=TITLE_CHARACTERS,
        description=f"the title in the file's tags, at most {TITLE_CHARACTERS} characters",
    )
    client_id: Annotated[str | None, TASK] = Field(
        None, max_length=200, description="your own id, at most 200 characters"
    )
    priority: Annotated[Priority, BeforeValidator(_lower), TASK_OF_EACH] = Field(
        "normal", description="one of high, normal, low"
    )
    timeout_s: Annotated[Number | None, TASK] = Field(
        None, ge=1, le=LONGEST_S, description=f"seconds from its first start to its end, from 1 to {LONGEST_S}"
    )
    ttl_s: Annotated[Number | None, TASK] = Field(
        None, ge=1, le=LONGEST_S, description=f"seconds it may wait for its first start, from 1 to {LONGEST_S}"
    )
    cache: Annotated[bool, TASK_OF_EACH] = Field(True, description="true, or false to have the music made anew")

    @property
    def made_s(self) -> float:
        """Return the seconds of music to be made: what it goes on from is there already."""
        return self.duration_s - (self.continue_from.seconds if self.continue_from else 0.0)

    @property
    def awaits(self) -> tuple[str, ...]:
        """Return the task that it goes on from, where that had not completed when it was accepted."""
        beginning = self.continue_from
        return (beginning.task,) if beginning is not None and beginning.task is not None and not beginning.key else ()

    @property
    def warnings(self) -> list[str]:
        """Return what was odd about the uploads, and which of the other fields the prompt overrules."""
        odd: list[str] = []
        for name, upload in (("melody", self.melody), ("continue_audio", self.continue_from)):
            if upload is not None:
                odd += [f"{name}: {warning}" for warning in upload.warnings]
        if self.tempo_bpm is not None or self.key is not None:
            odd += overruled(self.prompt, self.tempo_bpm, self.key)
        return odd

    @field_validator("prompt")
    @classmethod
    def _complete_and_bounded_prompt(cls, prompt: str, info: ValidationInfo) -> str:
        prompt = "" if is_blank(prompt) else prompt.strip()
        if not prompt and info.data.get("melody") is None and info.data.get("continue_from") is None:
            raise PydanticCustomError("prompt", "is empty or blank")
        if "\x00" in prompt:
            raise PydanticCustomError("prompt", "holds a NUL character; remove it")
        text = put_in(prompt, info.data.get("tempo_bpm"), info.data.get("key"))
        limits: Limits | None = (info.context or {}).get("limits")
        if limits is not None:
            expect_short_enough(text, limits, " with tempo_bpm and key" if text != prompt else "")
        return text

    @field_validator("stream")
    @classmethod
    def _streamable(cls, stream: bool, info: ValidationInfo) -> bool:
        if stream and info.data.get("loudness") is not None:
            raise PydanticCustomError(
                REMEDIED, "does not go with loudness, which needs the whole clip before its first sound; leave one out"
            )
        return stream

    @field_validator("duration_s")
    @classmethod
    def _bounded_duration(cls, duration_s: float, info: ValidationInfo) -> float:
        limits: Limits | None = (info.context or {}).get("limits")
        longest = limits.max_duration_s if limits else float("inf")
        if not MIN_DURATION_S <= duration_s <= longest:
            raise PydanticCustomError(
                "duration", f"must be from {MIN_DURATION_S:g} to {longest:g} seconds for this model"
            )
        expect_something_to_make(duration_s, info.data.get("continue_from"), longest)
        return duration_s

    @field_validator("continue_seconds", "continue_at")
    @classmethod
    def _of_a_beginning(cls, seconds: float | None, info: ValidationInfo) -> float | None:
        if seconds is not None:
            expect_beginning(str(info.field_name), info.data.get("continue_from"))
        return seconds


FIELDS: Mapping[str, FieldSpec] = {  # by the names that they are sent under
    **{field.alias or name: spec_of(field) for name, field in MusicRequest.model_fields.items()},
    **OTHER_FIELDS,
}
ATTRIBUTES: Mapping[str, str] = {field.alias or name: name for name, field in MusicRequest.model_fields.items()}


def fields_where(wanted: Callable[[FieldSpec], bool]) -> tuple[str, ...]:
    """Return the names of the fields of which that holds, as they are sent."""
    return tuple(name for name, spec in FIELDS.items() if wanted(spec))


@cache
def descriptions() -> Mapping[str, str]:
    """Return what to send in each field of a MusicRequest, by the names that they are sent under."""
    return {name: MusicRequest.model_fields[attribute].description or "" for name, attribute in ATTRIBUTES.items()}


_SPECS = [(name, field.default, spec_of(field)) for name, field in MusicRequest.model_fields.items()]
_LATE = [(name, default) for name, default, spec in _SPECS if not spec.first]
_SCHEMAS = [(name, default, spec.schema) for name, default, spec in _SPECS if spec.schema]
RESOLVED = frozenset(name for name, _, spec in _SPECS if spec.resolved)


def left_out(request: MusicRequest) -> set[str]:
    """Return the attributes that have their default and came after the first version: it told requests without them."""
    return {name for name, default in _LATE if getattr(request, name) == default}


def schema_of(request: MusicRequest) -> int:
    """Return the least schema of a record whose reader can honour all that is asked for."""
    fields = [schema for name, default, schema in _SCHEMAS if getattr(request, name) != default]
    return max(*fields, FORMATS[request.output_format].schema, 0)


def resolved_fields(request: MusicRequest) -> dict[str, Any]:
    """Return the fields that were put into others, as far as they were sent."""
    return {name: value for name in RESOLVED if (value := getattr(request, name)) is not None}
