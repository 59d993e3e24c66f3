"""Describe the effects of the mixing desk for requests: a schema each, told apart by `type`, from the desk's table."""

from __future__ import annotations

import operator
from dataclasses import MISSING, Field, fields
from functools import reduce
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, create_model

from mixing.effects import EFFECTS, LONGEST_CHAIN, Effect


class _Effect(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _schema(kind: type[Effect]) -> type[BaseModel]:
    described: dict[str, Any] = {each.name: (_kind(each), _default(each)) for each in fields(kind)}
    described["type"] = (Literal[kind.type], ...)
    return create_model(f"{kind.__name__}Effect", __base__=_Effect, __doc__=kind.__doc__, **described)


def _kind(setting: Field[Any]) -> Any:
    limits = setting.metadata
    if "choices" in limits:
        return Literal[limits["choices"]]
    return Annotated[float, pydantic.Field(ge=limits["least"], le=limits["most"])]


def _default(setting: Field[Any]) -> Any:
    return ... if setting.default is MISSING else setting.default


EffectBody: Any = Annotated[reduce(operator.or_, map(_schema, EFFECTS.values())), pydantic.Field(discriminator="type")]
EffectChain: Any = Annotated[list[EffectBody], pydantic.Field(max_length=LONGEST_CHAIN)]
