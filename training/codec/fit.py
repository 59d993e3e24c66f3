"""Fits the codec's latent space and codebooks to the descriptions: principal axes, then k-means on what is left over.

Writes a codec state whose quantizer is finished and whose encoder and decoder are still to be trained, and the codes of
all pieces, so that the language model can be trained at once.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from audiocraft.models.encodec import EncodecModel

from training.codec.config import build_codec, codec_config
from training.codec.features import Describer, wave_of
from training.codec.quantize import codebooks, perplexities
from training.progress import Progress


def describe_all(data: Path, every: int = 1) -> dict[int, torch.Tensor]:
    """Descriptions of all pieces, cached as float16 beside them. -> seed: [frames, 83]"""
    folder = data / "described"
    folder.mkdir(exist_ok=True)
    describer, described = Describer(), {}
    paths = sorted((data / "melody").glob("[0-9]*.npy"), key=lambda path: int(path.stem))[::every]
    report = Progress("describe", len(paths))
    for done, path in enumerate(paths, start=1):
        cached = folder / path.name
        if not cached.exists():
            np.save(cached, describer(wave_of(data / "audio" / path.name)).numpy().astype(np.float16))
        described[int(path.stem)] = torch.from_numpy(np.load(cached).astype(np.float32))
        report(done)
    return described


def principal_axes(rows: torch.Tensor, dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and the leading axes. -> [83], [83, dimension]"""
    mean = rows.mean(0)
    _, vectors = torch.linalg.eigh(torch.cov((rows - mean).T))
    return mean, vectors.flip(1)[:, :dimension]


@torch.no_grad()
def cluster(rows: torch.Tensor, count: int, rounds: int) -> torch.Tensor:
    """k-means; centres that lose all their members restart at a random row. -> [count, dim]"""
    centres = rows[torch.randperm(len(rows))[:count]].clone()
    for _ in range(rounds):
        nearest = torch.cat([torch.cdist(part, centres).argmin(1) for part in rows.split(8192)])
        sums = torch.zeros_like(centres).index_add_(0, nearest, rows)
        members = torch.bincount(nearest, minlength=count)
        centres = sums / members.clamp(min=1)[:, None]
        lost = (members == 0).nonzero().flatten()
        centres[lost] = rows[torch.randint(len(rows), (len(lost),))]
    return centres


@torch.no_grad()
def fit_codebooks(codec: EncodecModel, rows: torch.Tensor, rounds: int) -> None:
    """Each codebook describes what the ones before it left over."""
    residual = rows
    for number, book in enumerate(codebooks(codec)):
        book.embed.copy_(cluster(residual, book.codebook_size, rounds))
        book.embed_avg.copy_(book.embed)
        book.cluster_size.fill_(1)
        book.inited.fill_(1)
        residual = residual - book.dequantize(book.quantize(residual))
        left = float(residual.square().sum() / (rows - rows.mean(0)).square().sum())
        print(f"fit: after codebook {number + 1}, {left:.3f} of the variance is left", flush=True)


@torch.no_grad()
def write_codes(codec: EncodecModel, described: dict[int, torch.Tensor], space: dict, data: Path) -> None:
    """`codes/<seed>.npy`, int16 [4, frames]."""
    (data / "codes").mkdir(exist_ok=True)
    codes = []
    for seed, rows in described.items():
        latent = (rows - space["mean"]) @ space["axes"]  # [frames, dimension]
        coded = codec.quantizer.vq.encode(latent.T[None])[:, 0]  # [4, frames]
        np.save(data / "codes" / f"{seed}.npy", coded.numpy().astype(np.int16))
        codes.append(coded)
    used = perplexities(torch.cat(codes, dim=1)[None], codec.cardinality)
    print("fit: codebook entries in use", " ".join(f"{p:.0f}" for p in used), flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    sizes = (("bins", 512), ("filters", 12), ("rounds", 20), ("rows", 60_000))
    for name, default in (*sizes, ("seed", 1), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    described = describe_all(args.data)
    codec = build_codec(codec_config(args.bins, args.filters))
    if args.out.exists():  # later pieces are coded in the space that is already fixed
        state = torch.load(args.out, weights_only=True)
        codec.load_state_dict(state["codec"])
        write_codes(codec, described, state["space"], args.data)
        return
    rows = torch.cat(list(described.values()))
    rows = rows[torch.randperm(len(rows))[: args.rows]]
    mean, axes = principal_axes(rows, codec.encoder.dimension)
    fit_codebooks(codec, (rows - mean) @ axes, args.rounds)
    space = {"mean": mean, "axes": axes}
    torch.save({"codec": codec.state_dict(), "space": space, "step": 0}, args.out)
    write_codes(codec, described, space, args.data)


if __name__ == "__main__":
    main()
