"""Say how long the music and the prompt of a request may be: what the chosen model allows, and what there must be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

from shared.music.audio_refs import BeginningRef

MIN_DURATION_S = 0.5
REMEDIED = "remedied"  # the message of such a fault already says what to send


@dataclass(frozen=True)
class Limits:
    """Say what the chosen model allows. `count_tokens` is None while nobody has announced a tokenizer."""

    max_duration_s: float
    max_prompt_tokens: int
    max_prompt_chars: int
    count_tokens: Callable[[str], int] | None = None


def expect_beginning(field: str, beginning: BeginningRef | None) -> None:
    """Raise the fault of `continue_seconds` or `continue_at` without audio of which they could say it."""
    if beginning is None:
        lacking = {
            "continue_seconds": "says how much of the audio in continue_from to take; send that too, or leave this out",
            "continue_at": "says where the task in continue_from is cut; send that too, or leave this out",
        }
        raise PydanticCustomError(REMEDIED, "{message}", {"message": lacking[field]})
    if field == "continue_at" and beginning.is_upload:
        message = "goes with continue_from alone; cut the file before you send it, or leave this out"
        raise PydanticCustomError(REMEDIED, message)


def expect_something_to_make(duration_s: float, beginning: BeginningRef | None, longest: float) -> None:
    """Raise the fault of a duration that the beginning, which counts, fills up."""
    if beginning is None or duration_s >= beginning.seconds + MIN_DURATION_S:
        return
    least = math.ceil(10 * (beginning.seconds + MIN_DURATION_S)) / 10
    remedy = f"send {least:g} or more, or continue_seconds to take less of the audio"
    if least > longest:
        remedy = f"send continue_seconds of at most {longest - MIN_DURATION_S:g} to take only the end of the audio"
    raise PydanticCustomError(
        REMEDIED,
        f"leaves nothing to make: it counts the {beginning.seconds:g} s of continue_from too; {remedy}",
    )


def expect_short_enough(prompt: str, limits: Limits, so_far: str) -> None:
    """Raise the fault of a prompt that is too long; `so_far` says what has been put into it."""
    if len(prompt) > limits.max_prompt_chars:
        raise PydanticCustomError(
            "prompt", f"has {len(prompt)} characters{so_far}; at most {limits.max_prompt_chars} are read. Shorten it"
        )
    tokens = limits.count_tokens(prompt) if limits.count_tokens else 0
    if tokens > limits.max_prompt_tokens:
        raise PydanticCustomError(
            "prompt", f"has {tokens} tokens{so_far}; at most {limits.max_prompt_tokens} are read. Shorten it"
        )
