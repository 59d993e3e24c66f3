"""Generate the audio that is measured, with audiocraft's own loop on a checkpoint loaded as the worker loads it.

Captions of equal length in tokens share a batch, so that none is padded: padding changes what a prompt gives.
"""

import time
from collections import defaultdict
from typing import Any

import numpy as np
import torch

from training.measure.asked import EvaluationRequest
from training.progress import Progress

SEED = 20261121
MAX_BATCH = 32


def token_groups(model: Any, asked: list[EvaluationRequest]) -> list[list[int]]:
    """Group the indices of captions that tokenize to the same length, in batches."""
    conditioner = model.lm.condition_provider.conditioners["description"]
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, item in enumerate(asked):
        by_length[conditioner.tokenize([item.caption.text])["input_ids"].shape[1]].append(index)
    groups = []
    for indices in by_length.values():
        groups += [indices[start : start + MAX_BATCH] for start in range(0, len(indices), MAX_BATCH)]
    return groups


def generate_group(model: Any, asked: list[EvaluationRequest], seed: int) -> torch.Tensor:
    """Generate one batch. -> [batch, samples]"""
    torch.manual_seed(seed)
    texts = [item.caption.text for item in asked]
    if asked[0].melody is None:
        waves: torch.Tensor = model.generate(texts)
        return waves[:, 0]
    melodies = [torch.from_numpy(item.melody)[None] for item in asked]
    waves = model.generate_with_chroma(texts, melodies, model.sample_rate)
    return waves[:, 0]


def generate_all(model: Any, asked: list[EvaluationRequest], seconds: float, name: str) -> list[np.ndarray]:
    """Generate the audio of each request, in order."""
    model.set_generation_params(duration=seconds, use_sampling=True, top_k=250, cfg_coef=3.0)
    made: dict[int, np.ndarray] = {}
    report = Progress(name, len(asked))
    for number, group in enumerate(token_groups(model, asked)):
        waves = generate_group(model, [asked[index] for index in group], SEED + number)
        made |= {index: wave.cpu().numpy() for index, wave in zip(group, waves, strict=True)}
        report(len(made))
    return [made[index] for index in range(len(asked))]


def decoding_speed(model: Any, seconds: float = 8.0) -> float:
    """Measure how many times faster than real time audiocraft's own codec decodes one clip."""
    frames = int(seconds * model.frame_rate)
    codes = torch.randint(model.compression_model.cardinality, (1, model.lm.n_q, frames))
    with torch.no_grad():
        model.compression_model.decode(codes)
        begun = time.monotonic()
        model.compression_model.decode(codes)
    return seconds / (time.monotonic() - begun)


def seconds_per_second(model: Any, asked: EvaluationRequest, seconds: float = 8.0) -> float:
    """Measure the time to make one second of one clip, alone, once warm."""
    model.set_generation_params(duration=1.0, use_sampling=True, top_k=250, cfg_coef=3.0)
    generate_group(model, [asked], SEED)
    model.set_generation_params(duration=seconds, use_sampling=True, top_k=250, cfg_coef=3.0)
    begun = time.monotonic()
    generate_group(model, [asked], SEED)
    return (time.monotonic() - begun) / seconds
