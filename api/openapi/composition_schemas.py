"""Describe what requests for several instruments have in every dialect: the instruments, and how they are mixed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Optional

from pydantic import BaseModel, ConfigDict, Field, create_model

from api.openapi.effect_schemas import EffectChain
from api.openapi.schemas import AudioUri
from mixing.effects import EFFECTS
from mixing.presets import PRESETS
from mixing.validation import LEVELS_DB, OFF_DB, PANNING
from shared.jobs.response_schemas import ResponseSchema
from shared.music.multi_instrument import PART_FIELDS
from shared.music.request import ATTRIBUTES, MusicRequest
from shared.music.request_fields import Number, TempoBpm

Level = Annotated[Number, Field(ge=LEVELS_DB[0], le=LEVELS_DB[1])]
Pan = Annotated[Number, Field(ge=PANNING[0], le=PANNING[1])]


def optional(names: Iterable[str], **described: str) -> dict[str, Any]:
    """Return fields that every request has as those of another body, which may leave each out; some described anew."""
    fields = {name: MusicRequest.model_fields[ATTRIBUTES[name]] for name in names}
    return {
        name: (
            Optional[Annotated[(field.annotation, *field.metadata)]],  # noqa: UP045 - made while it runs
            Field(None, description=described.get(name, field.description)),
        )
        for name, field in fields.items()
    }


class _Instrument(BaseModel):
    """Describe an instrument that has more to it than a prompt."""

    model_config = ConfigDict(extra="forbid")
    prompt: str = Field(description="what this instrument plays")
    follow: bool | None = Field(
        None,
        description="whether it follows the melody of the first instrument, where the model takes one; left out, all "
        "but drums, percussion and those with a melody of their own do",
    )
    melody: AudioUri | None = Field(None, description="a recording that this instrument follows")
    continue_audio: AudioUri | None = Field(None, description="a recording that its part begins with")


InstrumentBody: Any = create_model(
    "InstrumentBody",
    __base__=_Instrument,
    __doc__=_Instrument.__doc__,
    **optional(
        (name for name in PART_FIELDS if name in ATTRIBUTES and name not in _Instrument.model_fields),
        seed="left out, made from the piece's seed and the instrument's name",
    ),
)


class MixSettings(BaseModel):
    """Say how the instruments are mixed."""

    model_config = ConfigDict(extra="forbid")
    mix_preset: str | None = Field(None, description=f"one of {', '.join(PRESETS)}")
    levels: dict[str, Level] | None = Field(
        None, description=f"instrument -> decibels, in the preset's stead; {OFF_DB:g} leaves it out"
    )
    panning: dict[str, Pan] | None = Field(None, description="instrument -> from -1 (left) to 1 (right)")
    effects: dict[str, EffectChain] | None = Field(
        None, description=f"instrument -> a chain of {', '.join(EFFECTS)}, each an object with its `type` and settings"
    )


class PartMix(ResponseSchema):
    """Say how the part of one instrument is mixed."""

    name: str
    level: Annotated[float, Field(description="level in dB; -96 leaves it out")]
    panning: Annotated[float, Field(description="from -1 (left) to 1 (right)")]
    effects: Annotated[list[dict[str, Any]], Field(description="that it goes through, first to last")]


class TaskMix(ResponseSchema):
    """Say how a piece is mixed, or would be by another preset alone."""

    task_id: str
    mix_preset: str | None
    loudness: Annotated[float, Field(description="LUFS of the mix")]
    parts: list[PartMix]
    bus: Annotated[list[dict[str, Any]], Field(description="the effects that the sum goes through, first to last")]


class MixBody(MixSettings):
    """Say how the instruments are put together; the same in every dialect."""

    tempo_bpm: TempoBpm | None = Field(
        None,
        description="beats a minute that all have; left out, the first prompt that names them decides, or the seed",
    )
    key: str | None = Field(None, description="such as 'A minor'; left out, as with tempo_bpm")
