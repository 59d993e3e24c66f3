"""Load the engine that the settings name: hub caches, offline mode, device, precision. Heavy imports are inside.

`python -m worker.weights MODEL ...` fetches ahead of time all that those models need, text encoder and source
separation included, so that workers can boot without a network (OFFLINE=1).

The published MusicGen weights (facebook/musicgen-*) are CC-BY-NC 4.0: not for commercial use.
"""

from __future__ import annotations

import os

from shared.errors import ConfigurationError
from shared.music.catalog import Catalog, Model
from shared.settings import WORKER, Settings, read_settings
from worker.engine.core.types import Precision
from worker.engine.protocol import Engine


def prepare_environment(settings: Settings) -> None:
    """Set the environment variables of the libraries' caches. Call it before they are first imported."""
    if settings.cache_dir is not None:
        for variable, folder in {"HF_HOME": "hub", "TORCH_HOME": "torch", "AUDIOCRAFT_CACHE_DIR": "audiocraft"}.items():
            os.environ.setdefault(variable, str(settings.cache_dir / folder))
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"


def choose_device(settings: Settings) -> str:
    """Choose the device. Raises ConfigurationError when the one asked for is not there."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if settings.device == "auto":
        return next(name for name, present in there.items() if present)
    if not there[settings.device]:
        found = ", ".join(name for name, present in there.items() if present)
        raise ConfigurationError(f"DEVICE={settings.device}, but torch finds only: {found}")
    return settings.device


def load_engine(model: Model, settings: Settings) -> Engine:
    """Load the checkpoint into the engine that the settings name.

    Raises ConfigurationError naming the checkpoint when it cannot be read, or settings that exclude each other.
    """
    prepare_environment(settings)
    device = choose_device(settings)
    kind = choose_engine(settings, device)
    precision = choose_precision(settings, device, kind)
    from worker.engine.audiocraft_engine import AudiocraftEngine
    from worker.engine.engine import ContinuousBatchingEngine

    cache_dir = str(settings.cache_dir / "hub") if settings.cache_dir else None
    source = (model.checkpoint, device, cache_dir, settings.model_revision)
    try:
        if kind == "audiocraft":
            return AudiocraftEngine.load(*source)
        return ContinuousBatchingEngine.load(*source, precision=precision, slots=settings.slots, exact=settings.exact)
    except ConfigurationError:
        raise
    except Exception as error:  # a checkpoint is untrusted input, and can be wrong in any way
        remedy = f"check the name, or fetch it first with: python -m worker.weights {model.name}"
        raise ConfigurationError(
            f"MODEL={model.name}: cannot load the checkpoint {model.checkpoint}: {error}; {remedy}"
        ) from error


def choose_engine(settings: Settings, device: str) -> str:
    """Choose the engine: continuous batching on the CPU and on CUDA, audiocraft's own loop on mps."""
    if settings.engine == "auto":
        return "audiocraft" if device == "mps" else "ostinato"
    if settings.engine == "ostinato" and device == "mps":
        raise ConfigurationError("ENGINE=ostinato does not run on mps; leave ENGINE out, or set DEVICE=cpu")
    return settings.engine


def choose_precision(settings: Settings, device: str, engine: str) -> Precision:
    """Choose the precision. Raises ConfigurationError when the one asked for does not run there."""
    possible = precisions(device, engine)
    if settings.precision == "auto":
        return possible[0]
    if settings.precision not in possible:
        raise ConfigurationError(
            f"PRECISION={settings.precision} is not available with ENGINE={engine} on {device}; "
            f"set one of: {', '.join(possible)}"
        )
    return settings.precision


def precisions(device: str, engine: str) -> tuple[Precision, ...]:
    """List the precisions that can be set, the default first."""
    if engine == "audiocraft":
        return ("fp32",) if device == "cpu" else ("fp16",)
    from worker.engine.model.precisions import available

    return available(device)


def main(names: list[str]) -> int:
    """Fetch what the named models need, by loading each once."""
    settings = read_settings(WORKER)
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
