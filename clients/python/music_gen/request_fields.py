"""Define what may be asked for, field by field. Written by tools/generate_client_types.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from music_gen.types import Task

OutputFormat = Literal["wav", "mp3", "ogg", "flac", "opus", "m4a", "aac"]
Priority = Literal["high", "normal", "low"]
WebhookEvent = Literal["started", "completed", "failed", "cancelled"]
AudioFile = str | Path | bytes  # its path, or its bytes


class Fields(TypedDict, total=False):
    """Hold what may be asked for beside prompt and duration. What is left out, the server decides."""

    continue_from: Task | str  # the id of an earlier task, whose audio it begins with
    continue_seconds: float  # seconds of its end to go on from, such as 10
    continue_at: float  # seconds of the earlier task to keep, such as 12.5
    melody: AudioFile  # a recording to follow
    tempo_bpm: int  # whole beats a minute from 40 to 240, such as 94; a tempo that the prompt names comes before it
    key: str  # a key such as 'A minor', 'Bb major' or 'F# minor'; one that the prompt names comes before it
    model: str  # one of GET /models; left out, the default
    temperature: float  # a number from 0 (greedy) to 2
    top_k: int  # a whole number from 0 (off) up, such as 250
    top_p: float  # a number from 0 (off; top_k counts) to 1
    guidance_scale: float  # a number from 0 (unconditional) to 20
    seed: int  # a whole number from 0 to 9007199254740991; leave it out for a random one
    output_format: OutputFormat  # one of wav, mp3, ogg, flac, opus, m4a, aac
    loudness: float  # LUFS to bring the file to, from -40 to -6 such as -14; left out, the model's own level stays
    stream: bool  # true to hear it while it is made (its peaks are limited as they come), or false
    title: str  # the title in the file's tags, at most 200 characters
    client_id: str  # your own id, at most 200 characters
    priority: Priority  # one of high, normal, low
    timeout_s: float  # seconds from its first start to its end, from 1 to 604800
    ttl_s: float  # seconds it may wait for its first start, from 1 to 604800
    cache: bool  # true, or false to have the music made anew
    webhook_url: str  # an http or https URL that takes a POST, such as https://example.com/hooks/music
    # a list of started, completed, failed, cancelled; without it, the three ends
    webhook_events: Sequence[WebhookEvent]
    continue_audio: AudioFile  # a recording that it begins with


class Asked(Fields, total=False):
    """Hold all that one submission may have. With your own `idempotency_key` it is made once."""

    idempotency_key: str


class MixFields(TypedDict, total=False):
    """Hold what a piece that is mixed again may have anew."""

    output_format: OutputFormat  # one of wav, mp3, ogg, flac, opus, m4a, aac
    # LUFS to bring the file to, from -40 to -6 such as -14; left out, the model's own level stays
    loudness: float | None
    title: str | None  # the title in the file's tags, at most 200 characters
    client_id: str | None  # your own id, at most 200 characters
    priority: Priority  # one of high, normal, low
    timeout_s: float | None  # seconds from its first start to its end, from 1 to 604800
    ttl_s: float | None  # seconds it may wait for its first start, from 1 to 604800
    cache: bool  # true, or false to have the music made anew
    webhook_url: str | None  # an http or https URL that takes a POST, such as https://example.com/hooks/music
    # a list of started, completed, failed, cancelled; without it, the three ends
    webhook_events: Sequence[WebhookEvent] | None


class LocalKeywords(TypedDict, total=False):
    """Hold what `MusicGenerator.generate` takes by name alone."""

    # whole beats a minute from 40 to 240, such as 94; a tempo that the prompt names comes before it
    tempo_bpm: int | None
    key: str | None  # a key such as 'A minor', 'Bb major' or 'F# minor'; one that the prompt names comes before it
    guidance_scale: float  # a number from 0 (unconditional) to 20
    output_format: OutputFormat  # one of wav, mp3, ogg, flac, opus, m4a, aac
    # LUFS to bring the file to, from -40 to -6 such as -14; left out, the model's own level stays
    loudness: float | None
    title: str | None  # the title in the file's tags, at most 200 characters


class LocalFields(LocalKeywords, total=False):
    """Hold what is asked for beside prompt, duration and melody; what is left out is usual."""

    temperature: float  # a number from 0 (greedy) to 2
    top_k: int  # a whole number from 0 (off) up, such as 250
    top_p: float  # a number from 0 (off; top_k counts) to 1
    seed: int | None  # a whole number from 0 to 9007199254740991; leave it out for a random one


OPTIONS: Mapping[str, tuple[type[Any], str]] = {  # of the command music-gen
    "tempo_bpm": (
        int,
        "whole beats a minute from 40 to 240, such as 94; a tempo that the prompt names comes before it",
    ),
    "key": (str, "a key such as 'A minor', 'Bb major' or 'F# minor'; one that the prompt names comes before it"),
    "temperature": (float, "a number from 0 (greedy) to 2"),
    "top_k": (int, "a whole number from 0 (off) up, such as 250"),
    "top_p": (float, "a number from 0 (off; top_k counts) to 1"),
    "guidance_scale": (float, "a number from 0 (unconditional) to 20"),
    "seed": (int, "a whole number from 0 to 9007199254740991; leave it out for a random one"),
    "loudness": (float, "LUFS to bring the file to, from -40 to -6 such as -14; left out, the model's own level stays"),
    "title": (str, "the title in the file's tags, at most 200 characters"),
}
