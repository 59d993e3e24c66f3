"""Which device a worker takes, and what it says where a GPU is there and CUDA does not start.

torch's answers are scripted: no GPU is here, nor a Mac.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from shared.errors import ConfigurationError
from shared.settings import Settings
from worker import device
from worker.device import choose_device, cpu_reason, has_driver

pytestmark = pytest.mark.xdist_group("torch")

SETTINGS = Settings(_env_file=None)


def wanting(name: str) -> Settings:
    return SETTINGS.model_copy(update={"device": name})


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let torch find a GPU of that compute capability, or say why it finds none."""

    def find(capability: tuple[int, int] | None, why: str = "", *, driver: bool = True) -> None:
        def start() -> None:
            if why:
                raise RuntimeError(f"{why}\nand more lines")

        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
        monkeypatch.setattr(torch.cuda, "init", start)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "sm_120", "compute_120"])
        monkeypatch.setattr(device, "has_driver", lambda: driver)

    return find


def test_a_gpu_that_starts_is_taken(gpu: Callable[..., None]) -> None:
    gpu((7, 5))
    assert choose_device(SETTINGS) == choose_device(wanting("cuda")) == "cuda"
    assert choose_device(wanting("cpu")) == "cpu"
    assert cpu_reason(SETTINGS) is None


@pytest.mark.parametrize(
    ("capability", "why", "said"),
    [
        (None, "The NVIDIA driver on your system is too old", "CUDA 13.0 does not start: The NVIDIA driver .* too old"),
        (None, "", "CUDA finds no GPU"),
        ((7, 0), "", r"Tesla has compute capability 7\.0, and this torch has kernels from 7\.5 on"),
    ],
)
def test_where_a_driver_is_and_cuda_does_not_start_auto_warns_and_cuda_refuses(
    gpu: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    capability: tuple[int, int] | None,
    why: str,
    said: str,
) -> None:
    gpu(capability, why)
    with caplog.at_level(logging.WARNING):
        assert choose_device(SETTINGS) == "cpu"
    assert "music is made on the CPU: an NVIDIA driver is here, but" in caplog.text
    assert cpu_reason(SETTINGS) in caplog.text
    assert cpu_reason(wanting("cpu")) is None
    with pytest.raises(ConfigurationError, match=f"DEVICE=cuda, but {said}"):
        choose_device(wanting("cuda"))


def test_a_torch_without_cuda_says_how_to_get_the_other(
    gpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu(None)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(ConfigurationError, match=r"built without CUDA \(`make install CUDA=1`"):
        choose_device(wanting("cuda"))


def test_without_a_driver_the_cpu_needs_no_word(gpu: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    gpu(None, "Found no NVIDIA driver on your system", driver=False)
    with caplog.at_level(logging.WARNING):
        assert choose_device(SETTINGS) == "cpu"
    assert not caplog.records


def test_a_driver_is_known_by_its_module_or_a_device_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(device.ctypes, "CDLL", absent)
    assert not has_driver(tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidiactl").touch()
    assert not has_driver(tmp_path), "the module's own file is there without a GPU too"
    (tmp_path / "dev" / "nvidia0").touch()
    assert has_driver(tmp_path)
    (tmp_path / "dev" / "nvidia0").unlink()
    (tmp_path / "proc" / "driver" / "nvidia").mkdir(parents=True)
    assert has_driver(tmp_path)
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: name)
    assert has_driver(tmp_path / "nowhere")


def test_mps_is_taken_only_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch finds mps on a Mac, but audiocraft's audio is garbled there."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device(SETTINGS) == "cpu"
    assert choose_device(wanting("mps")) == "mps"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match="DEVICE=mps, but torch finds only"):
        choose_device(wanting("mps"))
