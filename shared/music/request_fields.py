"""Describe what follows from a request's field beside its value: digests, records, pieces, batches, clients.

`MusicRequest` declares a `FieldSpec` with each of its fields; `OTHER_FIELDS` are those of POST /tasks that are read
elsewhere. Whatever must know which fields there are reads `FIELDS` of `shared.music.request`, which has all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from shared.music.tempo_and_key import TEMPO_BPM, read_key
from shared.webhooks.subscription import FIELDS as WEBHOOK_FIELDS


@dataclass(frozen=True)
class FieldSpec:
    """Say what follows from one field. What is not said of a new field is what a new field should have.

    A field that decides the `music` or the `file` is part of the digest by which equal requests share one result.
    """

    decides: Literal["music", "file", "task"] = "task"
    first: bool = False  # as old as the digests: part of them and of the record also while it has its default
    schema: int = 0  # of a job's record, that processes must know to honour the field: older ones leave the job alone
    resolved: bool = False  # it is put into other fields when it is read: recorded beside them, for older processes
    echoed: bool = False  # the task's response tells it, where it was sent
    part: bool = False  # an instrument of a piece for several may have its own
    multi: bool = False  # a request for several instruments has it
    each_part: bool = False  # what the piece has, each instrument without its own has too
    continued: bool = False  # left out, it is that of the earlier task whose audio this one goes on from
    batch_refusal: str = ""  # why no request of a batch has it
    file: bool = False  # a file of a multipart form, or a data: URI in JSON
    local: bool = False  # MusicGenerator of the Python package takes it
    option: bool = False  # the command music-gen has an option for it

    @property
    def mix(self) -> bool:
        """Return whether a piece that is mixed again may have another than before."""
        return self.multi and self.decides != "music"


TITLE_CHARACTERS = 200
SAMPLING = FieldSpec("music", first=True, part=True, multi=True, each_part=True, local=True, option=True)
TEMPO_OR_KEY = FieldSpec("music", resolved=True, echoed=True, multi=True, continued=True, local=True, option=True)
TASK = FieldSpec(first=True, multi=True)
TASK_OF_EACH = FieldSpec(first=True, multi=True, each_part=True)
OTHER_FIELDS: Mapping[str, FieldSpec] = {
    **dict.fromkeys(WEBHOOK_FIELDS, FieldSpec(multi=True)),
    "continue_audio": FieldSpec(file=True, part=True),
    "variations": FieldSpec(
        batch_refusal="a batch has one clip for each request; send each seed as a request of its own"
    ),
}


def spec_of(field: FieldInfo) -> FieldSpec:
    """Return what was declared with a field of `MusicRequest`. Raises StopIteration where nothing was."""
    return next(each for each in field.metadata if isinstance(each, FieldSpec))


def is_left_out(name: str, value: object) -> bool:
    """Return whether a field was sent for its default: null, or "" as forms send what was left blank.

    An empty prompt says something: that there is none.
    """
    return value is None or (value == "" and name != "prompt")


def no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "must be a number, not true or false")
    return value


def _one_spelling(text: str) -> str:
    if (key := read_key(text.strip())) is None:
        raise PydanticCustomError("key", "names no key")
    return key


def plain_title(title: str | None) -> str | None:
    """Return a title without blanks around it; None for one that is nothing else."""
    if title is not None and "\x00" in title:
        raise PydanticCustomError("title", "holds a NUL character; remove it")
    return (title or "").strip() or None


Number = Annotated[float, BeforeValidator(no_bool), Field(allow_inf_nan=False)]
Integer = Annotated[int, BeforeValidator(no_bool)]
TempoBpm = Annotated[int, Field(ge=TEMPO_BPM[0], le=TEMPO_BPM[1]), BeforeValidator(no_bool)]
Key = Annotated[str, AfterValidator(_one_spelling)]
