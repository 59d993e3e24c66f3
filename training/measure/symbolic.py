"""Read codes back as music and score them without any audio: quick enough to be asked while training runs."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from training.data.chroma import WINDOW, chroma_count, windows
from training.data.theory import bpm_of
from training.data.tokens import CLOCK, CLOCKS, DRUMS, HARMONIES, HARMONY, HITS, LEAD, LEADS


@dataclass(frozen=True)
class CodeFeatures:
    """Hold what some codes say."""

    bpm: float
    scale: int
    drums: bool
    pitch: float  # mean MIDI pitch of the melody
    instrument: str
    faults: float  # share of frames whose clock does not follow from the frame before


def commonest(values: list[object]) -> object:
    return Counter(values).most_common(1)[0][0] if values else None


def read_codes(codes: np.ndarray) -> CodeFeatures:
    """Read what the codes say. codes: [4, frames]"""
    clocks = [CLOCKS[code] for code in codes[CLOCK] if code < len(CLOCKS)]
    harmonies = [HARMONIES[code] for code in codes[HARMONY] if code < len(HARMONIES)]
    leads = [lead for code in codes[LEAD] if code < len(LEADS) and (lead := LEADS[code])]
    hits = [bool(code < len(HITS) and HITS[code]) for code in codes[DRUMS]]
    goes_on = [
        then.beat_frames == now.beat_frames and then.age == (now.age + 1) % now.beat_frames
        for now, then in pairwise(clocks)
    ]
    return CodeFeatures(
        bpm=bpm_of(int(str(commonest([clock.beat_frames for clock in clocks]) or 50))),
        scale=int(str(commonest([harmony.scale for harmony in harmonies]) or 0)),
        drums=float(np.mean(hits)) > 0.5,
        pitch=float(np.mean([lead.pitch for lead in leads])) if leads else 0.0,
        instrument=str(commonest([lead.instrument for lead in leads])),
        faults=1.0 - float(np.mean(goes_on)) if goes_on else 1.0,
    )


def chroma_of_codes(codes: np.ndarray) -> np.ndarray:
    """Return the chroma of the melody's codes, as the conditioner would extract it. -> [chroma frames]"""
    frames = codes.shape[1]
    sung = np.zeros((frames, 12), dtype=np.float32)
    for frame, code in enumerate(codes[LEAD]):
        if code < len(LEADS) and (lead := LEADS[code]):
            sung[frame, lead.pitch % 12] = 1.0
    classes: np.ndarray = (windows()[: chroma_count(frames), :frames] @ sung).argmax(axis=1)
    return classes


def agreement(codes: np.ndarray, melody: np.ndarray) -> float:
    """Return the share of chroma frames in which the codes have the melody asked for. melody: pitch classes [235]"""
    count = chroma_count(codes.shape[1]) - WINDOW // WINDOW  # the last one looks past the end
    return float((chroma_of_codes(codes)[:count] == melody[:count]).mean())
