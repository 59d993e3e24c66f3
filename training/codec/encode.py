"""Train the codec's encoder to find the codes of audio: needed only where audio is to be continued.

Most of its pieces are played by FluidSynth, some by the decoder. The names of the codes (space.py) are learned by
cross-entropy over distances, as the quantizer will compare them; what they sound like by squared error. Resumable,
seeded.
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from training.codec.build import codebooks, load_codec_state
from training.codec.space import NAME_DIM, NAME_SIZE
from training.data.composer import compose, draw_spec
from training.data.render import FluidSynthPlayer, PlainPlayer, Player, arrange
from training.data.theory import FRAME_SAMPLES, SEGMENT_FRAMES
from training.data.tokens import BOOKS, write_codes
from training.progress import Progress
from training.schedule import rate_at
from worker.engine.imports.audiocraft import EncodecModel

CROP_FRAMES = 96
RENEW_EVERY = 3  # steps
FIRST_SEED = 2 * 10**12  # neither the language model's pieces nor the evaluation's


class EncoderExamples:
    """Keep a few rendered compositions with their codes; `renew` replaces the oldest.

    Fixed ones would be overfitted.
    """

    def __init__(self, codec: EncodecModel, player: Player, count: int, seed: int) -> None:
        self.rng = random.Random(f"recordings-{seed}")
        self.codec, self.player, self.next_seed = codec, player, FIRST_SEED + 10**9 * seed
        self.pieces: list[tuple[np.ndarray, np.ndarray]] = []
        for _ in range(count):
            self.renew(count)

    def renew(self, count: int) -> None:
        """Add a new one; one in four is played by the decoder itself, which takes longer."""
        composition = self.record(self.codec, self.player, self.next_seed, decoded=self.next_seed % 4 == 0)
        self.pieces = [*self.pieces, composition][-count:]
        self.next_seed += 1

    def record(self, codec: EncodecModel, player: Player, seed: int, decoded: bool) -> tuple[np.ndarray, np.ndarray]:
        """Compose from that seed, and render. -> codes [4, SEGMENT_FRAMES], wave"""
        composition = compose(draw_spec(seed))
        codes = write_codes(composition)
        if not decoded:
            return codes, player.play(arrange(composition), SEGMENT_FRAMES)
        with torch.no_grad():
            return codes, codec.decode(torch.from_numpy(codes.astype(np.int64))[None])[0, 0].numpy()

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw crops from the beginning or from anywhere. -> codes [size, 4, frames], waves [size, 1, samples]"""
        chosen = [self.rng.choice(self.pieces) for _ in range(size)]
        begins = [self.rng.choice((0, self.rng.randrange(SEGMENT_FRAMES - CROP_FRAMES))) for _ in chosen]
        codes = np.stack([c[:, b : b + CROP_FRAMES] for (c, _), b in zip(chosen, begins, strict=True)])
        waves = np.stack(
            [w[b * FRAME_SAMPLES : (b + CROP_FRAMES) * FRAME_SAMPLES] for (_, w), b in zip(chosen, begins, strict=True)]
        )
        return torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(waves)[:, None]


def losses(codec: EncodecModel, codes: torch.Tensor, waves: torch.Tensor) -> dict[str, torch.Tensor]:
    """Compute the cross-entropy of each codebook's names, and the squared error of everything, from one output."""
    latent = codec.encoder(waves)  # [batch, dimension, frames]
    parts = {"sound": 0.5 * functional.mse_loss(latent, codec.decode_latent(codes))}
    for number, book in enumerate(codebooks(codec)):
        dims = slice(NAME_DIM + number * NAME_SIZE, NAME_DIM + (number + 1) * NAME_SIZE)
        found, names = latent[:, dims].transpose(1, 2).contiguous(), book.embed[:, dims]
        distance = torch.cdist(found, names[None]).square()  # [batch, frames, BINS]
        parts[f"book{number}"] = functional.cross_entropy(-distance.transpose(1, 2), codes[:, number])
    return parts


@torch.no_grad()
def accuracy(codec: EncodecModel, examples: EncoderExamples) -> list[float]:
    """Return the share of codes that are found again in their audio, for each codebook."""
    codes, waves = examples.batch(16)
    found = codec.encode(waves)[0]
    return [float((found[:, book] == codes[:, book]).float().mean()) for book in range(BOOKS)]


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codec", type=Path, help="the state of training.codec.build, trained further in place")
    for name, default in (("steps", 1200), ("batch", 8), ("pieces", 60), ("seed", 1), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--plain", action="store_true", help="made-up instruments instead of FluidSynth's")
    return parser.parse_args(argv)


def save(path: Path, codec: EncodecModel, optimizer: torch.optim.Optimizer, step: int) -> None:
    partial = path.with_suffix(".part")
    torch.save({"codec": codec.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, partial)
    partial.rename(path)


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    state = torch.load(args.codec, map_location="cpu", weights_only=True)
    codec, step = load_codec_state(args.codec), int(state.get("step", 0))
    player = PlainPlayer() if args.plain else FluidSynthPlayer()
    # The pieces are played by a copy that stays on the CPU; only the encoder changes.
    examples = EncoderExamples(load_codec_state(args.codec), player, args.pieces, args.seed + step)
    codec = codec.to(args.device)
    optimizer = torch.optim.Adam(codec.encoder.parameters(), lr=args.rate, betas=(0.8, 0.99))
    if step:
        optimizer.load_state_dict(state["optimizer"])
    report, begun = Progress("encoder", args.steps, step), time.monotonic()
    while step < args.steps and time.monotonic() - begun < 60 * args.minutes:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, args.steps, args.rate, warmup=50)
        if step % RENEW_EVERY == 0:
            examples.renew(args.pieces)
        codes, waves = examples.batch(args.batch)
        parts = losses(codec, codes.to(args.device), waves.to(args.device))
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(codec.encoder.parameters(), 5.0)
        optimizer.step()
        step += 1
        report(step, " ".join(f"{name} {float(value.detach()):.2f}" for name, value in parts.items()))
        if step % 200 == 0:
            save(args.codec, codec, optimizer, step)
    save(args.codec, codec, optimizer, step)
    codec = codec.to("cpu").eval()
    found = accuracy(codec, EncoderExamples(codec, player, min(8, args.pieces), args.seed + step + 1))
    print(
        "encoder: of new pieces' codes found again, by codebook",
        " ".join(f"{share:.2f}" for share in found),
        flush=True,
    )


if __name__ == "__main__":
    main()
