"""Name the limits of what one request, one upload and one account may ask of the API."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from shared.settings.values import SettingsGroup


class LimitSettings(SettingsGroup):
    """Read by the API."""

    max_prompt_tokens: int = Field(512, ge=1, description="tokens of a prompt, as the model counts them")
    max_prompt_chars: int = Field(4000, ge=1, description="characters of a prompt")
    max_json_kb: int = Field(
        1024, ge=1, description="JSON, or a form's text, of one request; a batch may have six times as much"
    )
    max_body_mb: float = Field(
        25.0, gt=0, description="any body, uploads included; JSON with recordings 4/3 of it, and 1 MB"
    )
    body_timeout_s: float = Field(120.0, gt=0, description="how long a request's body may take to arrive")
    max_melody_s: float = Field(600.0, gt=0, description="the longest upload, in seconds of sound")
    max_melody_samples: int = Field(
        180_000_000, ge=1_000_000, description="seconds x sample rate x channels that one upload may cost"
    )
    melody_timeout_s: float = Field(20.0, gt=0, description="how long an upload may take to decode (docs/decoders.md)")
    melody_memory_mb: int = Field(1024, ge=512, description="memory of the process that decodes an upload")
    max_decoders: int | None = Field(
        None,
        ge=2,
        le=1024,
        description="uploads decoded and clips converted at once on this machine, over all API processes, all but one "
        "for a single account; unset, as many as cores, at least 2",
    )
    decoder_slots_path: Path | None = Field(
        None,
        description="the folder by which the API processes of a machine count them; unset, below the temporary one",
    )
    conversion_timeout_s: float = Field(
        60.0, gt=0, description="how long the conversion of a clip to another format may take, and may be waited for"
    )
    converted_cache_mb: float = Field(
        256.0, ge=0, description="converted clips that each API process keeps on disk, for players that ask in ranges"
    )
    max_open_streams: int = Field(
        250,
        ge=1,
        description="streams of an account (events, sound, WebSockets) that each API process holds open, of its 1000 "
        "connections; counted once keys exist",
    )
    max_wait_s: int = Field(30, ge=0, le=30, description="the longest `?wait=` of a poll; `0` answers each at once")
    max_waiting_polls: int = Field(
        500, ge=1, description="polls of an account that each API process holds; the others are answered at once"
    )
    max_favourites: int = Field(200, ge=0, description="favourites of an account, which are kept until unmarked")
    max_shares: int = Field(200, ge=0, description="links of an account by which it shares tasks, open at once")
    max_stored_files: int = Field(100, ge=1, description="how many files `/files/` keeps for an account")
