"""Train the language model on music composed as it goes. Resumable, seeded; prints which conditions have an effect.

`--minutes` bounds a session; the learning rate follows the steps, so a later session with the same `--steps` goes on
exactly where this one stopped. For a longer run start from the state saved before the rate sank, with more `--steps`.
"""

import argparse
import dataclasses
import random
import time
from pathlib import Path

import torch

from training.lm.batches import Batch, BatchSource
from training.lm.config import build, lm_config
from training.lm.loss import loss_of
from training.lm.optimizer import Optimizer
from training.lm.start import align_heads, freeze_alignment
from training.progress import Progress
from training.schedule import rate_at, sinks_from

WARM_STEPS = 40  # of every session
ENDING_SHARE = 0.15  # of a run
CHECK_EVERY = 100  # steps between two looks at whether the text is heard


class LmTraining:
    """Hold the state of one training run: model, optimizer, step."""

    def __init__(self, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.args, self.step = args, 0
        cfg = lm_config(args.dim, args.layers, args.heads)
        self.lm = build(cfg, args.encoder)
        align_heads(self.lm)
        freeze_alignment(self.lm.to(args.device))
        self.optimizer = Optimizer(self.lm, args.rate)
        if args.out.exists():
            self.resume()
        self.began = self.step
        self.batch_source = BatchSource(args.seed + self.step)

    def resume(self) -> None:
        state = torch.load(self.args.out, map_location=self.args.device, weights_only=True)
        self.lm.load_state_dict(state["lm"])
        if "muon" in state["optimizer"]:
            self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def save(self, out: Path | None = None) -> None:
        shape = {"dim": self.args.dim, "layers": self.args.layers, "heads": self.args.heads}
        state = {"lm": self.lm.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step} | shape
        out = out or self.args.out
        partial = out.with_suffix(".part")
        torch.save(state, partial)
        partial.rename(out)

    def batch(self) -> Batch:
        """Draw starts, windows and 8 s by turns, a full segment now and then; at the end mostly 8 s and full ones."""
        size, phase = self.args.batch, self.step % 8
        ending = self.step > (1 - ENDING_SHARE) * self.args.steps
        if phase == 7 or (ending and phase == 2):
            return self.batch_source.segments(max(1, size // 12))
        if phase in (1, 4) or (ending and phase in (0, 6)):
            return self.batch_source.shorts(max(1, size // 5))
        return self.batch_source.starts(3 * size) if phase in (3, 5) else self.batch_source.windows(size)

    def update(self) -> dict[str, float]:
        """Train one step. -> the figures of its loss"""
        warm = min(1.0, (self.step - self.began + 1) / WARM_STEPS)
        self.optimizer.set_rate(warm * rate_at(self.step, self.args.steps, self.args.rate))
        loss, figures = loss_of(self.lm, self.batch().to(self.args.device))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.lm.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return figures

    @torch.no_grad()
    def check(self) -> str:
        """Compare the loss of the first codes under the right and under shuffled text, and under another melody."""
        self.lm.eval()
        batch = BatchSource(7).starts(64).to(self.args.device)
        texts = list(batch.texts)
        random.Random(7).shuffle(texts)
        other = dataclasses.replace(batch, texts=texts)
        unsung = dataclasses.replace(batch, melody=batch.melody.roll(1, 0))
        scores = [
            sum(v for k, v in loss_of(self.lm, b)[1].items() if k.startswith("start")) for b in (batch, other, unsung)
        ]
        self.lm.train()
        return "start: own conditions {:.2f}, other text {:.2f}, other melody {:.2f}".format(*scores)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("encoder", "out"):
        parser.add_argument(name, type=Path)
    for name, default in (("steps", 6000), ("batch", 24), ("dim", 192), ("layers", 4), ("heads", 4), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=2e-3)
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
    mean: dict[str, float] = {}
    while training.step < args.steps and time.monotonic() - begun < 60 * args.minutes:
        if training.step == sinks_from(args.steps):
            training.save(args.out.with_suffix(".before_sinking.pt"))
        for name, value in training.update().items():
            mean[name] = 0.95 * mean.get(name, value) + 0.05 * value
        report(training.step, " ".join(f"{name} {mean[name]:.2f}" for name in sorted(mean)))
        if training.step % CHECK_EVERY == 0:
            print(training.check(), flush=True)
        if time.monotonic() - saved > 120:
            training.save()
            saved = time.monotonic()
    training.save()


if __name__ == "__main__":
    main()
