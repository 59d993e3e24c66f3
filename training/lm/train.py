"""Trains the language model on cached codes. Resumable, seeded; prints the loss of each codebook.

`--minutes` bounds a session; the learning rate follows the steps, so a later session with the same `--steps` goes on
exactly where this one stopped. For a longer run start from the state saved before the rate sank, with more `--steps`.
"""

import argparse
import time
from pathlib import Path

import torch
from audiocraft.models.lm import LMModel

from training.codec.train import load_trained
from training.lm.batches import Batch, Pieces
from training.lm.config import build, lm_config
from training.lm.forward import delayed, embed_melody, embed_text, logits_of
from training.lm.start import align_heads, embed_codes_as_codebooks, hold_aligned_heads, raise_melody
from training.progress import Progress
from training.schedule import rate_at, sinks_from

# The coarse codebook decides pitch and beat; the fine ones only colour.
BOOK_WEIGHTS = (3.0, 1.0, 0.3, 0.2)


def loss_of(lm: LMModel, batch: Batch) -> tuple[torch.Tensor, list[float]]:
    """Weighted cross-entropy, and that of each codebook in nats."""
    inputs, targets = delayed(batch.codes, lm.special_token_id)
    text, visible = embed_text(lm, batch.texts)
    logits = logits_of(lm, inputs, embed_melody(lm, batch.melody), text, visible)
    each = [
        torch.nn.functional.cross_entropy(logit.transpose(1, 2), targets[:, book]) for book, logit in enumerate(logits)
    ]
    total = torch.stack([weight * part for weight, part in zip(BOOK_WEIGHTS, each, strict=True)]).sum()
    return total / sum(BOOK_WEIGHTS), [float(part.detach()) for part in each]


def optimizer_of(lm: LMModel, rate: float) -> torch.optim.AdamW:
    """Weight decay for matrices only."""
    named = list(lm.named_parameters())
    text = [p for name, p in named if ".t5." in name]
    matrices = [p for name, p in named if ".t5." not in name and p.dim() >= 2]
    vectors = [p for name, p in named if ".t5." not in name and p.dim() < 2]
    groups = [(matrices, 0.02, 1.0), (vectors, 0.0, 1.0), (text, 0.0, 1.0)]
    described = [{"params": params, "weight_decay": decay, "scale": scale} for params, decay, scale in groups]
    return torch.optim.AdamW(described, lr=rate, betas=(0.9, 0.95))


class LmTraining:
    """The state of one training run: model, optimizer, step."""

    def __init__(self, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.args = args
        codec = load_trained(args.codec)
        self.cfg = lm_config(codec.cardinality, args.dim, args.layers, args.heads)
        self.cfg.device = args.device
        self.lm = build(self.cfg, args.encoder)
        starting = self.lm.cpu()
        self.pieces = Pieces(args.data, args.seed)
        embed_codes_as_codebooks(starting, codec)
        raise_melody(starting)
        example = self.pieces.whole(4)
        align_heads(starting, example.codes, example.melody)
        hold_aligned_heads(starting)
        self.lm = starting.to(args.device)
        self.optimizer = optimizer_of(self.lm, args.rate)
        self.step = 0
        if args.out.exists():
            self.resume()
        elif args.begin:
            self.lm.load_state_dict(torch.load(args.begin, weights_only=True)["best_state"])
        self.pieces = Pieces(args.data, args.seed + self.step)

    def resume(self) -> None:
        state = torch.load(self.args.out, map_location=self.args.device, weights_only=True)
        self.lm.load_state_dict(state["lm"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def save(self, out: Path | None = None) -> None:
        shape = {"dim": self.args.dim, "layers": self.args.layers, "heads": self.args.heads, "card": self.lm.card}
        state = {"lm": self.lm.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step} | shape
        out = out or self.args.out
        partial = out.with_suffix(".part")
        torch.save(state, partial)
        partial.rename(out)

    def batch(self) -> Batch:
        """Brief crops in every other step, else short ones; every sixth step whole pieces."""
        if self.step % 6 == 5:
            return self.pieces.whole(max(1, self.args.batch // 4))
        return self.pieces.brief(6 * self.args.batch) if self.step % 2 else self.pieces.short(self.args.batch)

    def update(self) -> list[float]:
        """One step. -> cross-entropy of each codebook"""
        for group in self.optimizer.param_groups:
            group["lr"] = group["scale"] * rate_at(self.step, self.args.steps, self.args.rate)
        loss, each = loss_of(self.lm, self.batch().to(self.args.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.lm.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return each


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("codec", "data", "encoder", "out"):
        parser.add_argument(name, type=Path)
    for name, default in (("steps", 6000), ("batch", 4), ("dim", 192), ("layers", 6), ("heads", 4), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--begin", type=Path, help="an exported state_dict.bin to begin from")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    torch.set_num_threads(args.threads)
    training = LmTraining(args)
    training.lm.train()
    report = Progress("lm", args.steps, training.step)
    begun = saved = time.monotonic()
    mean: list[float] = []
    while training.step < args.steps and time.monotonic() - begun < 60 * args.minutes:
        if training.step == sinks_from(args.steps):
            training.save(args.out.with_suffix(".before_sinking.pt"))
        each = training.update()
        mean = [0.97 * old + 0.03 * new for old, new in zip(mean or each, each, strict=True)]
        report(training.step, f"on {len(training.pieces.seeds)} pieces, nats " + " ".join(f"{m:.3f}" for m in mean))
        if time.monotonic() - saved > 180:
            training.pieces.refresh()
            training.save()
            saved = time.monotonic()
    training.save()


if __name__ == "__main__":
    main()
