"""Read single settings from text, and say what is wrong with one: lists, pairs, folders, secrets."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECRET_PREFIX = "whsec_"
STORE_PREFIX = "ostinato"
ROOT = Path(__file__).resolve().parents[2]


class SettingsGroup(BaseSettings):
    """Hold the settings of one part of the product. Frozen. Times in seconds, sizes as the name says."""

    model_config = SettingsConfigDict(env_file=".env", frozen=True, extra="ignore", env_ignore_empty=True)


def split(value: object) -> object:
    """Return the words of a comma-separated text; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def pairs_of(value: object) -> object:
    """Return the mapping that `name=value,name=value` writes; anything else as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    parts = [part.partition("=") for part in value.split(",") if part.strip()]
    if bad := [left for left, sep, right in parts if not sep or not left.strip() or not right.strip()]:
        raise ValueError(f"write name=value pairs separated by commas; {bad[0]!r} has no value")
    return {left.strip(): right.strip() for left, _, right in parts}


def own_folder(prefix: str) -> str:
    """Return the folder: one or more plain names between slashes, without one at the end. Raises ValueError."""
    folder = prefix.strip().removesuffix("/")
    if len(folder) > 200 or not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", folder, re.ASCII):
        raise ValueError(
            f"{prefix[:80]!r} is no name for a folder: write {STORE_PREFIX}, or {STORE_PREFIX}/studio, in ASCII "
            "letters, digits, '.', '_' and '-', beginning with a letter or a digit, in at most 200 characters"
        )
    return folder


def signing_secrets(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the secrets as they are. Raises ValueError, which never quotes one: the message goes to a log."""
    for number, secret in enumerate(secrets, 1):
        try:
            key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except ValueError:
            key = b""
        if not secret.startswith(SECRET_PREFIX) or not 24 <= len(key) <= 64:
            raise ValueError(
                f"secret {number} is not {SECRET_PREFIX} and the base64 of 24 to 64 random bytes; "
                f"make one: echo {SECRET_PREFIX}$(openssl rand -base64 32)"
            )
    return secrets


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
Pairs = Annotated[dict[str, str], NoDecode, BeforeValidator(pairs_of)]
Seconds = Annotated[dict[str, Annotated[float, Field(ge=1, le=3600)]], NoDecode, BeforeValidator(pairs_of)]
