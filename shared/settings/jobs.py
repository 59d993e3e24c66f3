"""Name the settings of the broker and of the job records in it. Every process reads these."""

from __future__ import annotations

from pydantic import Field

from shared.settings.values import SettingsGroup


class BrokerSettings(SettingsGroup):
    """Configure where Redis is, and how it is asked."""

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        repr=False,  # it may hold a password
        description="also `rediss://` and `redis+sentinel://host:port,host:port/master/db`. Unset, `make up` starts a "
        "broker of its own, behind a random password",
    )
    redis_timeout_s: float = Field(
        1.5, gt=0, description="how long an answer of Redis is waited for; beyond it a 503, out within two seconds"
    )
    redis_pool_size: int | None = Field(
        None,
        ge=1,
        description="connections to Redis that one process opens at most. Unset, as many as it can use at once: 32 of "
        "an API process, 72 of housekeeping, two for each thread of a worker and 16 more",
    )
    redis_pool_wait_s: float = Field(
        10.0, gt=0, description="how long a request waits for a connection before it is a 503 that names the pool"
    )


class JobSettings(SettingsGroup):
    """Configure how jobs wait, are claimed, and are kept."""

    max_queue_length: int = Field(100, ge=1, description="waiting jobs of a model; beyond it a 429")
    max_attempts: int = Field(3, ge=1, description="attempts at one job before it fails for good")
    lease_s: float = Field(6.0, gt=0, description="how long a worker that says nothing keeps its job")
    sweep_every_s: float = Field(1.0, gt=0, description="how often expired leases are looked for")
    stuck_after_s: float = Field(
        120.0, gt=0, description="work that has not advanced for so long goes to another worker"
    )
    presence_ttl_s: float = Field(30.0, gt=0, description="how long a silent worker counts as live")
    result_ttl_s: int = Field(
        7 * 24 * 3600, ge=60, description="how long ended tasks can be read, and their audio is kept"
    )
    chunks_ttl_s: int = Field(
        600, ge=10, description="for how long after its end a streamed job's chunks stay in Redis"
    )
    idempotency_ttl_s: int = Field(24 * 3600, ge=1, description="how long an Idempotency-Key is remembered")
    result_cache: bool = Field(True, description="`0`: equal requests with a seed no longer share their music")
