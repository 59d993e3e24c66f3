"""Schedule the learning rate over a run: warm up, keep, and sink in the last two fifths.

A run held at its peak can be stretched: go on from the state saved before the sinking with a larger number of steps.
"""

SINKING_SHARE = 0.4


def rate_at(step: int, total: int, peak: float, warmup: int = 100) -> float:
    """Return the rate at a step."""
    if step < warmup:
        return peak * (step + 1) / warmup
    left = (total - step) / max(1.0, SINKING_SHARE * total)
    return peak * max(1 / 50, min(1.0, left))


def sinks_from(total: int) -> int:
    """Return the first step at which the rate is below its peak: the state to keep for a longer run."""
    return int(total * (1 - SINKING_SHARE))
