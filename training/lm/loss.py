"""The loss of a batch, and what it says about listening: separate figures for starts, chords and notes.

Classifier-free guidance (coefficient 3, as MusicGen's default) moves every logit by three times the difference that
the conditions make. In a model as small as this one, most of that difference is noise in the tail of 512 codes, and
guided pieces lose time and key that unguided ones keep. So the guided logits are trained too, beside both that they
are made of.
"""

from dataclasses import dataclass

import torch
from audiocraft.models.lm import LMModel
from torch.nn import functional

from training.data.chroma import NULL_CLASS
from training.data.tokens import BOOKS, HARMONY, LEAD
from training.lm.batches import CHORD_WEIGHT, START_WEIGHT, Batch, is_attack
from training.lm.forward import delayed, embed_melody, embed_text, logits_of

GUIDANCE = 3.0
OWN_SHARE, NULL_SHARE = 0.5, 0.25  # weights of the conditional and the unconditional logits' own losses


@dataclass(frozen=True)
class Lesson:
    """Inputs and targets of a batch in the delay pattern, each [batch, 4, steps]; weight 0 where nothing is asked."""

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


def lesson_of(batch: Batch, special: int) -> Lesson:
    """Delay a batch. A crop from the middle sees the four frames before it; they are not asked for again."""
    if batch.before is None:
        inputs, _ = delayed(batch.seen, special)
        _, targets = delayed(batch.codes, special)
        weights = torch.zeros(targets.shape, device=targets.device)
        for book in range(BOOKS):
            weights[:, book, book : book + batch.codes.shape[-1]] = batch.weights[:, book]
        return Lesson(inputs, targets.clamp(min=0), weights)
    frames = batch.codes.shape[-1]
    seen, codes = torch.cat([batch.before, batch.seen], 2), torch.cat([batch.before, batch.codes], 2)
    known = torch.cat([torch.zeros_like(batch.weights[..., :BOOKS]), batch.weights], 2)

    def shifted(rows: torch.Tensor, late: int) -> torch.Tensor:
        firsts = [BOOKS - late - book for book in range(BOOKS)]
        return torch.stack([rows[:, book, first : first + frames] for book, first in enumerate(firsts)], dim=1)

    return Lesson(shifted(seen, 1), shifted(codes, 0), shifted(known, 0))


def entropies(logits: list[torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every code. [batch, steps, card] for each codebook -> [batch, 4, steps]"""
    each = [
        functional.cross_entropy(logit.transpose(1, 2), targets[:, book], reduction="none")
        for book, logit in enumerate(logits)
    ]
    return torch.stack(each, dim=1)


def both_logits(lm: LMModel, batch: Batch, lesson: Lesson) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """With the batch's conditions, and with none, in one pass."""
    words = embed_text(lm, [*batch.texts, *([""] * len(batch.texts))])
    melody = embed_melody(lm, torch.cat([batch.melody, torch.full_like(batch.melody, NULL_CLASS)]))
    places = [place.repeat(2, 1) for place in (batch.music_from, batch.melody_from)]
    logits = logits_of(lm, lesson.inputs.repeat(2, 1, 1), melody, words, *places)
    own, null = zip(*(logit.chunk(2) for logit in logits), strict=True)
    return list(own), list(null)


def loss_of(lm: LMModel, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Weighted cross-entropy, and the guided logits' figures in nats."""
    lesson = lesson_of(batch, lm.special_token_id)
    own, null = both_logits(lm, batch, lesson)
    guided = [n + GUIDANCE * (o - n) for o, n in zip(own, null, strict=True)]
    each, of_own, of_null = (entropies(logits, lesson.targets) for logits in (guided, own, null))
    total = ((each + OWN_SHARE * of_own + NULL_SHARE * of_null) * lesson.weights).sum() / lesson.weights.sum()
    return total / (1 + OWN_SHARE + NULL_SHARE), figures_of(each.detach(), lesson, batch)


def figures_of(each: torch.Tensor, lesson: Lesson, batch: Batch) -> dict[str, float]:
    """Mean loss of the first codes of a piece (one figure a codebook), of chord changes, of notes with and without a
    melody to follow, and of all the rest."""
    weights = lesson.weights
    attack = is_attack(lesson.targets[:, LEAD]) & (weights[:, LEAD] > 0) & (weights[:, LEAD] < START_WEIGHT)
    sung = batch.sung[:, None].expand_as(attack)
    chosen = {
        **{f"start{book}": (weights == START_WEIGHT) & at_book(each, book) for book in range(BOOKS)},
        "chord": (weights == CHORD_WEIGHT) & at_book(each, HARMONY),
        "sung": only_lead(each, attack & sung),
        "free": only_lead(each, attack & ~sung),
        "rest": weights == 1,
    }
    return {name: float(each[mask].mean()) for name, mask in chosen.items() if bool(mask.any())}


def at_book(each: torch.Tensor, book: int) -> torch.Tensor:
    mask = torch.zeros_like(each, dtype=torch.bool)
    mask[:, book] = True
    return mask


def only_lead(each: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    mask = torch.zeros_like(each, dtype=torch.bool)
    mask[:, LEAD] = chosen
    return mask
