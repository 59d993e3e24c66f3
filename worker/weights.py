"""Where weights come from and what runs them: hub caches, offline mode, device, precision. Heavy imports are inside.

`python -m worker.weights MODEL ...` fetches ahead of time all that those models need, text encoder and source
separation included, so that workers can boot without a network (OFFLINE=1).

The published MusicGen weights (facebook/musicgen-*) are CC-BY-NC 4.0: not for commercial use.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from shared.catalog import Catalog, Model
from shared.errors import ConfigurationError
from shared.settings import Settings, read_settings

if TYPE_CHECKING:
    from worker.attempt import Engine


def prepare_environment(settings: Settings) -> None:
    """Tell the libraries below us where their caches are. They read it when first imported, so this comes first."""
    if settings.cache_dir is not None:
        for variable, folder in {"HF_HOME": "hub", "TORCH_HOME": "torch", "AUDIOCRAFT_CACHE_DIR": "audiocraft"}.items():
            os.environ.setdefault(variable, str(settings.cache_dir / folder))
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"


def choose_device(settings: Settings) -> str:
    """Raises ConfigurationError when the device asked for is not there."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if settings.device == "auto":
        return next(name for name, present in there.items() if present)
    if not there[settings.device]:
        found = ", ".join(name for name, present in there.items() if present)
        raise ConfigurationError(f"DEVICE={settings.device}, but torch finds only: {found}")
    return settings.device


def load_engine(model: Model, settings: Settings) -> Engine:
    """Load the checkpoint and put the reference engine around it.

    Raises ConfigurationError naming the checkpoint when it cannot be read.
    """
    prepare_environment(settings)
    device = choose_device(settings)
    native = "fp32" if device == "cpu" else "fp16"
    if settings.precision not in ("auto", native):
        raise ConfigurationError(
            f"PRECISION={settings.precision} is not available on {device}; leave it out or set {native}"
        )
    from worker.engine.reference import AudiocraftEngine

    cache_dir = str(settings.cache_dir / "hub") if settings.cache_dir else None
    try:
        return AudiocraftEngine.load(model.checkpoint, device, cache_dir, settings.model_revision)
    except Exception as error:  # a checkpoint is untrusted input, and can be wrong in any way
        raise ConfigurationError(
            f"MODEL={model.name}: cannot load the checkpoint {model.checkpoint}: {error}. Check the name, or fetch it "
            f"first with: python -m worker.weights {model.name}"
        ) from error


def main(names: list[str]) -> int:
    settings = read_settings()
    for name in names or [settings.model]:
        model = Catalog(settings).for_worker(name)
        print(f"fetching {model.name} from {model.checkpoint}", flush=True)
        engine = load_engine(model, settings)
        print(
            f"ready: {model.name}, digest {engine.info.checkpoint_digest[:12]}, {engine.info.sample_rate_hz} Hz",
            flush=True,
        )
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
