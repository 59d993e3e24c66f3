"""Choose how many slots a GPU is worth by the steps' times, and how many graphs its memory: arithmetic on measurements.

`python -m bench.engine --device cuda` prints the same times.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

WORTH = 0.1  # as many slots again must make at least so much more music a second
ROUND = 8  # slots, which products are computed for anyway
MAX_LIVE = 24  # graphs beside those of boot: each common shape's with one half, with sorting, with both
LIVE_SHARE = 0.25  # of the memory that is free after boot, for these


def slots_worth(step_s: Mapping[int, float], frame_s: float) -> int:
    """Return up to which number of slots more of them are worth it, by the seconds that a step takes at some numbers.

    More are not when music a second grows no more, or when a step takes longer than the music that it makes
    (`frame_s`): all songs would then be heard slower than they play. Between two numbers the time is a line. Where one
    song alone is too slow already, only the first counts.
    """
    sizes = sorted(step_s)
    in_time = step_s[sizes[0]] <= frame_s
    for fewer, more in pairwise(sizes):
        before, after = step_s[fewer], step_s[more]
        if in_time and after > frame_s:
            crossing = int(fewer + (more - fewer) * (frame_s - before) / (after - before))
            return max(fewer, crossing - crossing % ROUND)
        if more / after < fewer / before * (1 + WORTH * (more - fewer) / fewer):
            return fewer
    return sizes[-1]


def live_graphs(free_bytes: int, graph_bytes: int) -> int:
    """Return how many graphs may be captured while songs run, by what is free after boot and what the largest took."""
    return max(0, min(MAX_LIVE, int(free_bytes * LIVE_SHARE) // max(1, graph_bytes)))
