"""Rebuilds the training states from a shipped checkpoint, for a machine that lacks them: `training/work` is not in git.

The latent space (mean and axes, `training/space.bin`) is needed besides the checkpoint, so that newly rendered pieces
get the very codes that the language model knows. Optimizer moments start anew.

    python -m training.resume models/tiny training/work/cpu
    BEGIN=models/tiny/state_dict.bin training/run.sh
"""

import argparse
import shutil
from pathlib import Path

import torch

SPACE = Path(__file__).parent / "space.bin"


def keep_space(state: Path) -> None:
    """Store the latent space of a fitted state where git keeps it."""
    torch.save(torch.load(state, weights_only=True)["space"], SPACE)


def rebuild(checkpoint: Path, work: Path) -> None:
    """`work/space.pt`, from which decoder and encoder are trained on and new pieces are coded."""
    if (work / "space.pt").exists():
        raise FileExistsError(f"{work / 'space.pt'}: there is a state already; it is not overwritten")
    work.mkdir(parents=True, exist_ok=True)
    codec = torch.load(checkpoint / "compression_state_dict.bin", weights_only=True)["best_state"]
    space = torch.load(SPACE, weights_only=True)
    torch.save({"codec": codec, "space": space, "step": 0, "trained": True}, work / "space.pt")
    shutil.copy(checkpoint / "state_dict.bin", work / "begin.bin")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--keep", action="store_true", help="the other way: keep the work folder's latent space in git")
    args = parser.parse_args(argv)
    if args.keep:
        keep_space(args.work / "space.pt")
        return
    rebuild(args.checkpoint, args.work)


if __name__ == "__main__":
    main()
