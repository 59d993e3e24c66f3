"""Compute the loss of a batch, with separate figures for starts, chords and notes.

Classifier-free guidance (coefficient 3, as MusicGen's default) moves every logit by three times the difference that
the conditions make. In a model as small as this one, most of that difference is noise in the tail of 512 codes, and
guided pieces lose time and key that unguided ones keep. So the guided logits are trained too, beside both that they
are made of.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from training.data.chroma import NULL_CLASS
from training.data.tokens import BOOKS, HARMONY, LEAD
from training.lm.batches import CHORD_WEIGHT, START_WEIGHT, Batch, is_attack
from training.lm.forward import delayed, embed_melody, embed_text, logits_of
from worker.engine.imports.audiocraft import LMModel

GUIDANCE = 3.0
OWN_SHARE, NULL_SHARE = 0.5, 0.25  # weights of the conditional and the unconditional logits' own losses


@dataclass(frozen=True)
class DelayedBatch:
    """Hold a batch in the delay pattern: inputs and targets, [batch, 4, steps] each; weight 0 where none is asked."""

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


def delay_batch(batch: Batch, special: int) -> DelayedBatch:
    """Delay a batch. A crop from the middle sees the four frames before it; they are not asked for again."""
    if batch.before is None:
        inputs, _ = delayed(batch.seen, special)
        _, targets = delayed(batch.codes, special)
        weights = torch.zeros(targets.shape, device=targets.device)
        for book in range(BOOKS):
            weights[:, book, book : book + batch.codes.shape[-1]] = batch.weights[:, book]
        return DelayedBatch(inputs, targets.clamp(min=0), weights)
    frames = batch.codes.shape[-1]
    seen, codes = torch.cat([batch.before, batch.seen], 2), torch.cat([batch.before, batch.codes], 2)
    known = torch.cat([torch.zeros_like(batch.weights[..., :BOOKS]), batch.weights], 2)

    def shifted(rows: torch.Tensor, late: int) -> torch.Tensor:
        firsts = [BOOKS - late - book for book in range(BOOKS)]
        return torch.stack([rows[:, book, first : first + frames] for book, first in enumerate(firsts)], dim=1)

    return DelayedBatch(shifted(seen, 1), shifted(codes, 0), shifted(known, 0))


def entropies(logits: list[torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
    """Compute the cross-entropy of every code. [batch, steps, card] for each codebook -> [batch, 4, steps]"""
    each = [
        functional.cross_entropy(logit.transpose(1, 2), targets[:, book], reduction="none")
        for book, logit in enumerate(logits)
    ]
    return torch.stack(each, dim=1)


def own_and_null_logits(
    lm: LMModel, batch: Batch, delayed_batch: DelayedBatch
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Compute the logits with the batch's conditions, and with none, in one pass."""
    words = embed_text(lm, [*batch.texts, *([""] * len(batch.texts))])
    melody = embed_melody(lm, torch.cat([batch.melody, torch.full_like(batch.melody, NULL_CLASS)]))
    positions = [offset.repeat(2, 1) for offset in (batch.music_from, batch.melody_from)]
    logits = logits_of(lm, delayed_batch.inputs.repeat(2, 1, 1), melody, words, *positions)
    own, null = zip(*(logit.chunk(2) for logit in logits), strict=True)
    return list(own), list(null)


def loss_of(lm: LMModel, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Compute the weighted cross-entropy, and the guided logits' figures in nats."""
    delayed_batch = delay_batch(batch, lm.special_token_id)
    own, null = own_and_null_logits(lm, batch, delayed_batch)
    guided = [n + GUIDANCE * (o - n) for o, n in zip(own, null, strict=True)]
    each, of_own, of_null = (entropies(logits, delayed_batch.targets) for logits in (guided, own, null))
    total = (
        (each + OWN_SHARE * of_own + NULL_SHARE * of_null) * delayed_batch.weights
    ).sum() / delayed_batch.weights.sum()
    return total / (1 + OWN_SHARE + NULL_SHARE), figures_of(each.detach(), delayed_batch, batch)


def figures_of(each: torch.Tensor, delayed_batch: DelayedBatch, batch: Batch) -> dict[str, float]:
    """Mean loss of the first codes of a piece (one figure a codebook), of chord changes, of notes with and without a
    melody to follow, and of all the rest."""
    weights = delayed_batch.weights
    attack = is_attack(delayed_batch.targets[:, LEAD]) & (weights[:, LEAD] > 0) & (weights[:, LEAD] < START_WEIGHT)
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
