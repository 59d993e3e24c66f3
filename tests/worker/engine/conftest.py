"""Random checkpoints of every shape, built once, and engines on them. Nothing here reaches the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch

from tools.random_checkpoint import write_checkpoint, write_demucs
from worker.engine import audiocraft_engine
from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.core.types import EngineRequest
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model import windows

FOLDER = Path(__file__).parent
RATE_HZ = 32_000


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in one process: torch, checkpoints and engines are then loaded once.

    Those that name another group have programs of their own, and share nothing.
    """
    for item in items:
        if item.path.is_relative_to(FOLDER) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("torch"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small models on a busy machine would only wait for their second thread; and sums depend on how many there are."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of the random checkpoint of a shape."""
    root = tmp_path_factory.mktemp("checkpoints")
    built: dict[str, Path] = {}

    def of(shape: str) -> Path:
        if shape not in built:
            built[shape] = write_checkpoint(shape, root / shape)
        return built[shape]

    return of


@pytest.fixture(scope="session")
def demucs_in_hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A random htdemucs where demucs looks for the real one, and no network."""
    torch_home = tmp_path_factory.mktemp("torch_home")
    write_demucs(torch_home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(torch_home))
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="session")
def tiny(checkpoint: Callable[[str], Path]) -> Iterator[AudiocraftEngine]:
    engine = AudiocraftEngine.load(checkpoint("tiny"))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def text_only(checkpoint: Callable[[str], Path]) -> Iterator[AudiocraftEngine]:
    engine = AudiocraftEngine.load(checkpoint("text"))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def published_melody(
    checkpoint: Callable[[str], Path], demucs_in_hub_cache: None, tiny: AudiocraftEngine
) -> Iterator[AudiocraftEngine]:
    """A melody model in the published format, demucs and all, in the process where tiny already lives."""
    engine = AudiocraftEngine.load(checkpoint("melody"))
    yield engine
    engine.close()


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> Callable[[MusicGen, float, float], None]:
    """Return what gives a model shorter windows, which slide by less: less to decode than 30 s and more."""

    def shorten(model: MusicGen, window_s: float, stride_s: float) -> None:
        monkeypatch.setattr(model, "max_duration", window_s)
        for module in (windows, audiocraft_engine):
            monkeypatch.setattr(module, "EXTEND_STRIDE_S", stride_s)

    return shorten


@pytest.fixture
def make_request() -> Callable[..., EngineRequest]:
    """Return a function that makes a short request, any field changed."""

    def make(**changed: object) -> EngineRequest:
        usual: dict[str, object] = {"prompt": "a slow sad piano ballad", "duration_s": 0.5, "seed": 7}
        return EngineRequest(**{**usual, **changed})

    return make


def tone(frequency_hz: float, duration_s: float = 1.0) -> np.ndarray:
    """A steady tone, float32 [samples]."""
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


@pytest.fixture(scope="session")
def a_tone() -> Callable[..., np.ndarray]:
    return tone
