"""Describe the response bodies of the S.Rocks.Music API."""

from __future__ import annotations

from pydantic import RootModel

from api.openapi.schemas import ResponseModel


class DetailError(ResponseModel):
    """Say what was wrong, in a sentence."""

    detail: str


class MadeFile(ResponseModel):
    """The finished clip."""

    file_url: str
    duration: float
    timestamp: str
    prompt: str


class StoredFile(ResponseModel):
    filename: str
    url: str
    created_at: str
    size_kb: float


class StoredFileList(RootModel[list[StoredFile]]):
    """The last files, newest first."""
