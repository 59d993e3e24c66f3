"""Trains the decoder to sound the codes, or the encoder to find them. Each on its own, resumable, seeded.

The quantizer is never touched, so a language model trained on its codes stays valid however often this is continued.
"""

import argparse
import time
from pathlib import Path

import torch
from audiocraft.models.encodec import EncodecModel

from training.codec.config import build_codec, codec_config
from training.codec.crops import Crops, inner
from training.codec.loss import ReconstructionLoss
from training.codec.scale import start_at_unit_scale
from training.data.theory import FRAME_SAMPLES
from training.progress import Progress
from training.schedule import rate_at


def load_trained(path: Path) -> EncodecModel:
    """The codec of a training state; its shape is read from its weights."""
    state = torch.load(path, map_location="cpu", weights_only=True)["codec"]
    bins = state["quantizer.vq.layers.0._codebook.embed"].shape[0]
    filters = state["encoder.model.0.conv.conv.weight_v"].shape[0]
    codec = build_codec(codec_config(bins, filters))
    codec.load_state_dict(state)
    return codec.eval()


def begins_trained(path: Path) -> bool:
    """Whether a state comes from a finished checkpoint (training.resume) and so needs no starting scales."""
    return bool(torch.load(path, map_location="cpu", weights_only=True).get("trained", False))


class CodecTraining:
    """The state of one run on one half of the codec."""

    def __init__(self, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.args, self.step = args, 0
        self.codec = load_trained(args.out if args.out.exists() else args.start)
        self.codec = self.codec.to(args.device)
        self.half = getattr(self.codec, args.half)
        self.optimizer = torch.optim.Adam(self.half.parameters(), lr=args.rate, betas=(0.8, 0.99))
        self.distance = ReconstructionLoss().to(args.device)
        if args.out.exists():
            state = torch.load(args.out, map_location=args.device, weights_only=True)
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        self.crops = Crops(args.data, args.seed + self.step)
        if self.step == 0 and not begins_trained(args.start):
            self.scale()
        self.half.train()

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        codes, wave = self.crops.batch(size)
        return codes.to(self.args.device), wave.to(self.args.device)

    def scale(self) -> None:
        """Give the untrained half its starting scales."""
        codes, wave = self.batch(8)
        latent = self.codec.decode_latent(codes)
        if self.args.half == "decoder":
            start_at_unit_scale(self.half, latent, float(wave.std()))
        else:
            start_at_unit_scale(self.half, wave, float(latent.std()))

    def save(self) -> None:
        state = {"codec": self.codec.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step}
        partial = self.args.out.with_suffix(".part")
        torch.save(state, partial)
        partial.rename(self.args.out)

    def losses(self) -> dict[str, torch.Tensor]:
        """Of one batch: spectral distance for the decoder, relative squared error of the latent for the encoder."""
        codes, wave = self.batch(self.args.batch)
        latent = self.codec.decode_latent(codes).detach()  # [batch, dim, frames]
        if self.args.half == "decoder":
            return self.distance(inner(self.half(latent), FRAME_SAMPLES), inner(wave, FRAME_SAMPLES))
        missed = inner(self.half(wave) - latent, 1).square().mean()
        return {"missed": missed / latent.var()}

    def update(self) -> dict[str, float]:
        """One step. -> the parts of the loss"""
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.args.steps, self.args.rate, warmup=50)
        parts = self.losses()
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.half.parameters(), 10.0)
        self.optimizer.step()
        self.step += 1
        return {name: float(value.detach()) for name, value in parts.items()}


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("half", choices=("decoder", "encoder"))
    for name in ("start", "data", "out"):
        parser.add_argument(name, type=Path)
    for name, default in (("steps", 4000), ("batch", 6), ("seed", 1), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=1e9)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    torch.set_num_threads(args.threads)
    training = CodecTraining(args)
    report = Progress(args.half, args.steps, training.step)
    begun = saved = time.monotonic()
    mean: dict[str, float] = {}
    while training.step < args.steps and time.monotonic() - begun < 60 * args.minutes:
        for name, value in training.update().items():
            mean[name] = 0.95 * mean.get(name, value) + 0.05 * value
        report(training.step, " ".join(f"{name} {value:.3f}" for name, value in mean.items()))
        if time.monotonic() - saved > 120:
            training.save()
            saved = time.monotonic()
    training.save()


if __name__ == "__main__":
    main()
