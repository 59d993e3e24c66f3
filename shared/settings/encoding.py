"""Name the settings of what writes audio files: the workers when they have made one, the API when it converts one."""

from __future__ import annotations

from pydantic import Field

from shared.settings.values import SettingsGroup


class EncodingSettings(SettingsGroup):
    """Read by workers and by the API."""

    ffmpeg: str | None = Field(
        None,
        description="the program that writes `m4a` and `aac`; unset, the PATH's ffmpeg, or that of the imageio-ffmpeg "
        "wheel. Without one these two are refused",
    )
