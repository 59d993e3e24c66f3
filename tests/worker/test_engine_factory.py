"""What must hold before anything heavy is imported (proved in a fresh interpreter), and what a bad checkpoint gets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.music.catalog import Model
from shared.settings import ROOT, Settings
from worker.engine_factory import load_engine

SETTINGS = Settings(_env_file=None)


@pytest.mark.slow
def test_offline_cache_folder_and_patience_are_set_before_the_hub_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys, worker.app; assert not {'torch', 'huggingface_hub'} & set(sys.modules), 'imported too early';"
        "from worker.engine_factory import prepare_environment; prepare_environment(worker.app.settings);"
        "from huggingface_hub import constants as c; print(c.HF_HUB_OFFLINE, c.HF_HOME, c.HF_HUB_ETAG_TIMEOUT)"
    )
    own = {name: value for name, value in os.environ.items() if name != "HF_HUB_ETAG_TIMEOUT"}
    environment = {**own, "OFFLINE": "1", "CACHE_DIR": str(tmp_path), "MODEL": "tiny"}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.stdout.split() == ["True", str(tmp_path / "hub"), "6"], run.stderr


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04cos\nsystem\n."])
def test_a_broken_checkpoint_is_named_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"(?s)cannot load the checkpoint .* fetch it first"):
        load_engine(Model("broken", str(tmp_path)), SETTINGS)
