"""Name the settings of the models: which there are, under which names, and how long a piece may be."""

from __future__ import annotations

from pydantic import Field

from shared.settings.values import Pairs, Seconds, SettingsGroup


class ModelSettings(SettingsGroup):
    """Configure the models: the same for the API and the workers."""

    default_model: str = Field("small", description="for requests that name none")
    model_aliases: Pairs = Field(
        {}, description="`small=tiny`: who asks for small gets tiny; answers name the model that made the music"
    )
    model_checkpoints: Pairs = Field(
        {}, description="`mine=/data/mine`: further models, or another checkpoint for a known name"
    )
    max_duration_s: float = Field(240.0, ge=1, le=3600, description="the longest piece in seconds")
    model_max_duration_s: Seconds = Field({}, description="`small=120`: the longest piece of single models")

    @property
    def longest_duration_s(self) -> float:
        """Return the longest clip of any model, in seconds."""
        return max(self.max_duration_s, *self.model_max_duration_s.values(), 0.0)
