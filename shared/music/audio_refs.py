"""Refer to audio that a request names: a melody to follow, a beginning to go on from. Reads no blob."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class BeginningRef(BaseModel):
    """Refer to audio to go on from, in storage: an upload that passed its checks, or what an earlier task made.

    `seconds` of its end are taken, or of what is before the request's `continue_at`; of an upload, `heard_s` is how
    long it was and `warnings` say what was odd about it. `codes` are the earlier task's own, made by the weights of
    digest `checkpoint`. While that task has not ended, `key` is empty: what it will have made is looked up when it is
    wanted.
    """

    model_config = ConfigDict(frozen=True)
    key: str
    seconds: float
    sha256: str
    task: str | None = None
    codes: str | None = None
    checkpoint: str | None = None
    heard_s: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_upload(self) -> bool:
        return self.task is None and bool(self.key)


class MelodyRef(BaseModel):
    """Refer to a melody that passed its checks and lies in storage as canonical mono FLAC at 32 kHz.

    All of it is kept: `seconds` is how long the upload was. `warnings` say what was odd about it.
    """

    model_config = ConfigDict(frozen=True)
    key: str
    seconds: float
    sha256: str
    warnings: tuple[str, ...] = ()
