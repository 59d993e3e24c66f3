"""The one settings object, read once from the environment by each entry point. Nothing else reads the environment.

Every field is an environment variable of the same name in capitals, or a line of a `.env` file. Lists are
comma separated (`SERVED_MODELS=tiny,small`), mappings are comma-separated pairs (`MODEL_ALIASES=small=tiny`).
"""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import ConfigurationError
from shared.page_origins import named_origins

SECRET_PREFIX = "whsec_"
LINK_TTL_S = 3600
LOCKED_PRESIGNED_TTL_S = 15 * 60
STORE_PREFIX = "ostinato"
ROOT = Path(__file__).resolve().parent.parent


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if bad := [left for left, sep, right in pairs if not sep or not left.strip() or not right.strip()]:
        raise ValueError(f"write name=value pairs separated by commas; {bad[0]!r} has no value")
    return {left.strip(): right.strip() for left, _, right in pairs}


def _own_folder(prefix: str) -> str:
    """One or more plain names between slashes; a slash at the end is as good as none."""
    folder = prefix.strip().removesuffix("/")
    if len(folder) > 200 or not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", folder, re.ASCII):
        raise ValueError(
            f"{prefix[:80]!r} is no name for a folder: write {STORE_PREFIX}, or {STORE_PREFIX}/studio, in ASCII "
            "letters, digits, '.', '_' and '-', beginning with a letter or a digit, in at most 200 characters"
        )
    return folder


def _signing_secrets(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Never quotes a secret: the message goes to a log."""
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


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Pairs = Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)]
Seconds = Annotated[dict[str, Annotated[float, Field(ge=1, le=3600)]], NoDecode, BeforeValidator(_pairs)]


S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """Frozen. Times in seconds, sizes as the name says."""

    model_config = SettingsConfigDict(env_file=".env", frozen=True, extra="ignore", env_ignore_empty=True)

    # broker and job records
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False)  # may hold a password
    redis_timeout_s: float = Field(1.5, gt=0)  # so that a 503 is out within two seconds
    redis_pool_size: int | None = Field(None, ge=1)  # connections of one process; unset: as many as it can use at once
    redis_pool_wait_s: float = Field(10.0, gt=0)  # the longest wait for one of them
    max_queue_length: int = Field(100, ge=1)
    max_attempts: int = Field(3, ge=1)
    lease_s: float = Field(6.0, gt=0)
    stuck_after_s: float = Field(120.0, gt=0)
    sweep_every_s: float = Field(1.0, gt=0)
    presence_ttl_s: float = Field(30.0, gt=0)
    result_ttl_s: int = Field(7 * 24 * 3600, ge=60)
    chunks_ttl_s: int = Field(600, ge=10)  # after its end a streamed job's chunks stay so long in Redis
    idempotency_ttl_s: int = Field(24 * 3600, ge=1)
    result_cache: bool = True

    # models
    default_model: str = "small"
    served_models: Names = ()
    model_aliases: Pairs = {}
    model_checkpoints: Pairs = {}
    runpod_endpoints: Pairs = {}  # RunPod's endpoint ids -> models; `*`: every id of its form
    max_duration_s: float = Field(240.0, ge=1, le=3600)  # the longest piece; of single models in the next
    model_max_duration_s: Seconds = {}
    max_prompt_tokens: int = Field(512, ge=1)
    max_prompt_chars: int = Field(4000, ge=1)

    # the worker
    model: str = "small"
    model_revision: str | None = None
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    engine: Literal["auto", "ostinato", "audiocraft"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    slots: int | None = Field(None, ge=1, le=1024)
    worker_concurrency: int | None = Field(
        None, ge=1, le=4096
    )  # threads, one for each job; unset: enough for the slots
    exact: bool = False
    offline: bool = False
    cache_dir: Path | None = None
    worker_name: str | None = None
    drain_s: float = Field(30.0, ge=0)  # after SIGTERM; what does not end within it goes to another worker

    # storage: S3 when a bucket is named, the local folder otherwise; in both, all of ours lies below s3_prefix
    local_storage_path: Path = ROOT / "var" / "audio"
    s3_prefix: Annotated[str, AfterValidator(_own_folder)] = STORE_PREFIX
    s3_endpoint_url: str | None = None
    s3_bucket_name: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: str | None = Field(None, repr=False)
    s3_region: str = "us-east-1"
    s3_url_ttl_s: int | None = Field(None, ge=1, le=7 * 24 * 3600)  # of links; otherwise as the two below say
    s3_public_endpoint_url: str | None = None
    storage_retry_s: float = Field(60.0, ge=0)

    # uploads
    max_body_mb: float = Field(25.0, gt=0)
    max_json_kb: int = Field(1024, ge=1)  # of one request; a batch may have six times as much
    max_melody_s: float = Field(600.0, gt=0)
    melody_timeout_s: float = Field(20.0, gt=0)
    melody_memory_mb: int = Field(1024, ge=512)
    max_melody_samples: int = Field(180_000_000, ge=1_000_000)  # seconds x rate x channels that one upload may cost
    max_decoders: int | None = Field(None, ge=2, le=1024)  # at once on this machine; None is as many as its cores
    decoder_slots_path: Path | None = None  # shared by the machine's API processes; None is below the temporary folder
    upload_ttl_s: int = Field(24 * 3600, ge=60)
    clean_every_s: float = Field(600.0, gt=0)

    # webhooks: two secrets while one takes over from the other
    webhook_secret: Annotated[Names, AfterValidator(_signing_secrets), Field(repr=False)] = ()
    webhook_allow_private: bool = False
    webhook_timeout_s: float = Field(15.0, gt=0, le=60)
    webhook_retry_span_s: float = Field(24 * 3600.0, ge=0)

    # the web side
    public_url: str | None = Field(None, pattern=r"^https?://[^\s?#]+$")
    prometheus_multiproc_dir: Path | None = None  # gunicorn's configuration makes it; the library reads it too
    cors_origins: Annotated[Names, AfterValidator(named_origins)] = ()  # none named: this server's own pages
    gunicorn_timeout: float = Field(300.0, gt=0)  # a synchronous call answers before it (api/handlers/wait.py)
    body_timeout_s: float = Field(120.0, gt=0)  # for a body to arrive
    max_stored_files: int = Field(100, ge=1)
    key_check_s: float = Field(4.0, gt=0, le=5)  # how often open streams ask whether their key is still good
    max_open_streams: int = Field(250, ge=1)  # of one account, in each API process, which holds 1000 connections
    max_wait_s: int = Field(30, ge=0, le=30)  # of a poll with `wait`; 0 answers each at once
    max_waiting_polls: int = Field(500, ge=1)  # of one account, in each API process; the others are answered at once
    api_keys: Annotated[Names, Field(repr=False)] = ()
    insecure: bool = False  # serve others without a key
    bind_address: str | None = None  # where the port is published, if not where the server listens (compose)
    prompt_filter: str | None = Field(None, pattern=r"^[\w.]+:\w+$")
    prompt_filter_words: Path | None = None

    @property
    def link_ttl_s(self) -> int:
        """How long links to this API live: they end with their key before that."""
        return LINK_TTL_S if self.s3_url_ttl_s is None else self.s3_url_ttl_s

    def presigned_ttl_s(self, *, locked: bool) -> int:
        """How long the store's own links live, which nobody can take back. `locked`: API keys exist."""
        usual = LOCKED_PRESIGNED_TTL_S if locked else LINK_TTL_S
        return usual if self.s3_url_ttl_s is None else self.s3_url_ttl_s

    @property
    def longest_duration_s(self) -> float:
        """The longest piece of any model."""
        return max(self.max_duration_s, *self.model_max_duration_s.values(), 0.0)


def read_settings() -> Settings:
    """The settings of this process's environment. Raises as `read_environment`."""
    return read_environment(Settings)


def read_environment(kind: type[S]) -> S:
    """Raises ConfigurationError that names each bad variable."""
    try:
        return kind()
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError("bad settings: " + "; ".join(lines)) from error
