"""Say that a part of the system is away: the same request may succeed later."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors.base import OstinatoError


class Unavailable(OstinatoError):
    code = "UNAVAILABLE"
    retryable = True


class BrokerUnavailable(Unavailable):
    code = "BROKER_UNAVAILABLE"


class PoolExhausted(BrokerUnavailable):
    """Say that more is asked at once than this process has connections for: no outage.

    Names the pool and its setting.
    """

    code = "BROKER_POOL_EXHAUSTED"

    def __init__(self, pool: str, connections: int, waited_s: float) -> None:
        super().__init__(
            f"this process is busy: all its connections to the broker (pool {pool!r}, REDIS_POOL_SIZE={connections}) "
            f"were in use for {waited_s:g} s; try again shortly. The operator raises REDIS_POOL_SIZE or adds processes",
            details={"pool": pool, "connections": connections},
        )


class StorageUnavailable(Unavailable):
    code = "STORAGE_UNAVAILABLE"


class ModelNotServed(Unavailable):
    code = "MODEL_NOT_SERVED"

    def __init__(self, model: str, served: Sequence[str]) -> None:
        listed = ", ".join(served) or "none"
        super().__init__(
            f"no worker serves the model {model!r} now; served: {listed}. Ask for one of these, or start a worker "
            f"with MODEL={model}",
            details={"model": model, "served": list(served)},
        )


class PromptFilterFailed(Unavailable):
    code = "PROMPT_FILTER_FAILED"
