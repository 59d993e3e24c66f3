"""Make short requests that tests ask an engine for. Asserts nothing."""

from __future__ import annotations

import numpy as np

from worker.engine.core.types import EngineRequest

MELODY = (0.5 * np.sin(2 * np.pi * 330 * np.arange(64_000) / 32_000)).astype(np.float32)


def make_request(**changes: object) -> EngineRequest:
    return EngineRequest(**{"prompt": "slow sad piano", "duration_s": 1.0, "seed": 1, **changes})
