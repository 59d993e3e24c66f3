"""Load the engine that the settings name: hub caches, offline mode, device, precision. Heavy imports are inside.

`python -m worker.weights MODEL ...` fetches ahead of time all that those models need, text encoder and source
separation included, so that workers can boot without a network (OFFLINE=1).

The published MusicGen weights (facebook/musicgen-*) are CC-BY-NC 4.0: not for commercial use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from shared.errors import ConfigurationError, OstinatoError
from shared.music.catalog import Catalog, Model
from shared.settings import WORKER, Settings, read_settings
from worker.device import choose_device, cpu_reason
from worker.engine.core.types import OnProgress, Precision
from worker.engine.model.hub import CHECKPOINT_FILES, ask_hub, cache_alone
from worker.engine.protocol import Engine
from worker.injected_faults import GPU_LADDER, InjectedFault, inject, is_injected
from worker.ladder import Ladder, RungFailed, ladder_for

if TYPE_CHECKING:
    from worker.engine.selfcheck.kept import KeptChecks

CACHE_FOLDERS = {
    "HF_HOME": "hub",
    "TORCH_HOME": "torch",
    "AUDIOCRAFT_CACHE_DIR": "audiocraft",
    "TRITON_CACHE_DIR": "triton",  # compiled kernels of a GPU's attention
}
OnRung = Callable[[str], None]
HUB_PATIENCE_S = 6  # whole seconds, as huggingface_hub reads them; a boot says within ten that the hub is away


def prepare_environment(settings: Settings) -> None:
    """Set the environment variables of the libraries' caches. Call it before they are first imported."""
    if settings.cache_dir is not None:
        for variable, folder in CACHE_FOLDERS.items():
            os.environ.setdefault(variable, str(settings.cache_dir / folder))
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", str(HUB_PATIENCE_S))
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"


def visible_gpus() -> str:
    """Return which GPUs the environment leaves to this process."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "")


def load_engine(model: Model, settings: Settings) -> Engine:
    """Load the checkpoint into the engine that the settings name, to decode by the fastest rung (worker/ladder.py).

    Raises ConfigurationError naming the checkpoint when it cannot be read, settings that exclude each other, or what
    does not run here; HubUnreachable.
    """
    try:
        return _load_by_ladder(model, settings)[0]
    except RungFailed as error:
        raise ConfigurationError(error.message) from error


@dataclass(frozen=True)
class OpenEngine:
    """Hold an engine that is ready for its first request."""

    engine: Engine
    found: tuple[str, ...] = ()  # by the self-check; nothing where the same was found here before
    slower: str | None = None  # why it decodes by no faster way


def open_engine(
    model: Model, settings: Settings, progress: OnProgress, trying: OnRung = lambda rung: None, *, always: bool = False
) -> OpenEngine:
    """Load the checkpoint as `load_engine` does, warm up, and check it against audiocraft: ready for the first request.

    The check is left out where it was passed here before, unless it is to be done `always`. `trying` is called
    with the rung before it is loaded. Raises RungFailed for what the next rung may do, in another process.
    """
    engine, ladder = _load_by_ladder(model, settings, trying, Checks.ALWAYS if always else Checks.DUE)
    from worker.engine.core.failures import RunnerFailed, running_fails

    try:
        with running_fails():
            engine.warm_up(progress)
            found = engine.check()
    except RunnerFailed as error:
        raise RungFailed(ladder, str(error)) from error
    return OpenEngine(engine, found, "; ".join(filter(None, (cpu_reason(settings), ladder.reason))) or None)


class Checks(Enum):
    """Say when an engine is compared with audiocraft before its first request."""

    NEVER = "never"
    DUE = "where the same was not found before"
    ALWAYS = "always"


def _load_by_ladder(
    model: Model, settings: Settings, trying: OnRung = lambda rung: None, checks: Checks = Checks.NEVER
) -> tuple[Engine, Ladder]:
    prepare_environment(settings)
    silent = ""
    if not os.path.isdir(model.checkpoint):
        silent = ask_hub(model.checkpoint, CHECKPOINT_FILES, _hub_folder(settings), settings.model_revision)
    device = choose_device(settings)
    ladder = choose_ladder(settings, device)
    from worker.engine.core.failures import RunnerFailed

    trying(str(ladder.rung))
    try:
        with cache_alone(model.checkpoint, silent):
            return _load(model, settings, device, ladder, checks), ladder
    except (RunnerFailed, InjectedFault) as error:
        raise RungFailed(ladder, str(error)) from error
    except ConfigurationError:
        raise
    except LookupError as error:
        raise ConfigurationError(f"KERNELS={settings.kernels}: {error}; set one of these, or auto") from error
    except Exception as error:  # a checkpoint is untrusted input, and can be wrong in any way
        remedy = f"check the name, or fetch it first with: python -m worker.weights {model.name}"
        raise ConfigurationError(
            f"MODEL={model.name}: cannot load the checkpoint {model.checkpoint}: {error}; {remedy}"
        ) from error


def _load(model: Model, settings: Settings, device: str, ladder: Ladder, checks: Checks) -> Engine:
    """Load the checkpoint for the ladder's rung."""
    rung = ladder.rung
    inject(f"{rung}:load")
    inject(f"{rung}:crash")
    from worker.engine.audiocraft_engine import AudiocraftEngine
    from worker.engine.engine import ContinuousBatchingEngine

    precision = choose_precision(settings, device, ladder)
    source = (model.checkpoint, device, _hub_folder(settings), settings.model_revision)
    if rung == "audiocraft":
        return AudiocraftEngine.load(*source)
    kernels = "torch" if rung == "eager" else settings.kernels
    return ContinuousBatchingEngine.load(
        *source,
        precision=precision,
        slots=settings.slots,
        exact=settings.exact,
        runner="cuda" if device == "cuda" or is_injected(GPU_LADDER) else "cpu",
        graphs=rung == "graphs",
        kernels_name=None if kernels == "auto" else kernels,
        checks=_kept_checks(settings, device, checks),
    )


def _hub_folder(settings: Settings) -> str | None:
    return str(settings.cache_dir / "hub") if settings.cache_dir else None


def _kept_checks(settings: Settings, device: str, checks: Checks) -> KeptChecks | None:
    """Return which checks were passed before: on a GPU none count, for drivers change, and it takes seconds."""
    from worker.engine.selfcheck.kept import USUAL_FOLDER, KeptChecks

    if checks is Checks.NEVER:
        return None
    if checks is Checks.ALWAYS or device == "cuda":
        return KeptChecks(None)
    return KeptChecks(settings.cache_dir / "selfchecks" if settings.cache_dir else USUAL_FOLDER)


def choose_ladder(settings: Settings, device: str) -> Ladder:
    """Choose the ways to decode that may be tried on that device.

    Raises ConfigurationError for settings that exclude each other, RungFailed where none is left.
    """
    if settings.engine == "ostinato" and device == "mps":
        raise ConfigurationError("ENGINE=ostinato does not run on mps; leave ENGINE out, or set DEVICE=cpu")
    from worker.engine.native.loader import all_kernels

    walked = "cuda" if is_injected(GPU_LADDER) else device
    ladder = ladder_for(settings, walked, kernels=settings.kernels != "torch" and bool(all_kernels()))
    if ladder.rung is None:
        raise RungFailed(ladder)
    return ladder


def choose_precision(settings: Settings, device: str, ladder: Ladder) -> Precision | None:
    """Choose the precision; None where the engine does, by the model's size.

    Raises ConfigurationError for one that does not run there, unless a faster way to decode has failed that had it.
    """
    engine = "audiocraft" if ladder.rung == "audiocraft" else "ostinato"
    possible = precisions(device, engine)
    if settings.precision in possible:
        return settings.precision
    if settings.precision == "auto" or ladder.failed:
        return None if engine == "ostinato" else possible[0]
    raise ConfigurationError(
        f"PRECISION={settings.precision} is not available with ENGINE={engine} on {device}; "
        f"set one of: {', '.join(possible)}"
    )


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
