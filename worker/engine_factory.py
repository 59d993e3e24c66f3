"""Load the engine that the settings name: hub caches, offline mode, device, precision. Heavy imports are inside.

`python -m worker.weights MODEL ...` fetches ahead of time all that those models need, text encoder and source
separation included, so that workers can boot without a network (OFFLINE=1).

The published MusicGen weights (facebook/musicgen-*) are CC-BY-NC 4.0: not for commercial use.
"""

from __future__ import annotations

import os
import sys

from shared.errors import ConfigurationError, OstinatoError
from shared.music.catalog import Catalog, Model
from shared.settings import WORKER, Settings, read_settings
from worker.engine.core.types import Precision
from worker.engine.model.hub import CHECKPOINT_FILES, ask_hub, cache_alone
from worker.engine.protocol import Engine

HUB_PATIENCE_S = 6  # whole seconds, as huggingface_hub reads them; a boot says within ten that the hub is away


def prepare_environment(settings: Settings) -> None:
    """Set the environment variables of the libraries' caches. Call it before they are first imported."""
    if settings.cache_dir is not None:
        for variable, folder in {"HF_HOME": "hub", "TORCH_HOME": "torch", "AUDIOCRAFT_CACHE_DIR": "audiocraft"}.items():
            os.environ.setdefault(variable, str(settings.cache_dir / folder))
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", str(HUB_PATIENCE_S))
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"


def choose_device(settings: Settings) -> str:
    """Choose the device: by itself never mps, where audiocraft's audio is garbled (its issues 31 and 43).

    Raises ConfigurationError when the one asked for is not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if settings.device == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[settings.device]:
        found = ", ".join(name for name, present in there.items() if present)
        raise ConfigurationError(f"DEVICE={settings.device}, but torch finds only: {found}; set one of these, or auto")
    return settings.device


def load_engine(model: Model, settings: Settings) -> Engine:
    """Load the checkpoint into the engine that the settings name.

    Raises ConfigurationError naming the checkpoint when it cannot be read, or settings that exclude each other;
    HubUnreachable.
    """
    prepare_environment(settings)
    cache_dir = str(settings.cache_dir / "hub") if settings.cache_dir else None
    silent = ""
    if not os.path.isdir(model.checkpoint):
        silent = ask_hub(model.checkpoint, CHECKPOINT_FILES, cache_dir, settings.model_revision)
    device = choose_device(settings)
    kind = choose_engine(settings, device)
    precision = choose_precision(settings, device, kind)
    from worker.engine.audiocraft_engine import AudiocraftEngine
    from worker.engine.engine import ContinuousBatchingEngine

    source = (model.checkpoint, device, cache_dir, settings.model_revision)
    try:
        with cache_alone(model.checkpoint, silent):
            if kind == "audiocraft":
                return AudiocraftEngine.load(*source)
            return ContinuousBatchingEngine.load(
                *source,
                precision=precision,
                slots=settings.slots,
                exact=settings.exact,
                kernels_name=None if settings.kernels == "auto" else settings.kernels,
            )
    except ConfigurationError:
        raise
    except LookupError as error:
        raise ConfigurationError(f"KERNELS={settings.kernels}: {error}; set one of these, or auto") from error
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


def choose_precision(settings: Settings, device: str, engine: str) -> Precision | None:
    """Choose the precision; None where the engine does, by the model's size.

    Raises ConfigurationError for one that does not run there.
    """
    possible = precisions(device, engine)
    if settings.precision == "auto":
        return None if engine == "ostinato" else possible[0]
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
    """Fetch what the named models need, by loading each once. Returns the exit status."""
    try:
        settings = read_settings(WORKER)
        for name in names or [settings.model]:
            _fetch(Catalog(settings).for_worker(name), settings)
    except OstinatoError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


def _fetch(model: Model, settings: Settings) -> None:
    print(f"fetching {model.name} from {model.checkpoint}", flush=True)
    engine = load_engine(model, settings)
    digest, rate_hz = engine.info.checkpoint_digest[:12], engine.info.sample_rate_hz
    print(f"ready: {model.name}, digest {digest}, {rate_hz} Hz", flush=True)
    engine.close()
