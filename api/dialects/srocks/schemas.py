"""Define the response bodies of the S.Rocks.Music API."""

from __future__ import annotations

from pydantic import RootModel

from shared.jobs.response_schemas import ResponseSchema


class DetailError(ResponseSchema):
    """Say what was wrong, in a sentence."""

    detail: str


class MadeFile(ResponseSchema):
    """Describe the finished clip."""

    file_url: str
    duration: float
    timestamp: str
    prompt: str


class StoredFile(ResponseSchema):
    filename: str
    url: str
    created_at: str
    size_kb: float


class StoredFileList(RootModel[list[StoredFile]]):
    """List the last files, newest first."""
