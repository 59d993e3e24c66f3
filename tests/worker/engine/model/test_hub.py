"""A model hub that is away: said within seconds, and no obstacle where the cache has everything."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download

from shared.settings import ROOT
from worker.engine.model import hub
from worker.engine.model.hub import CHECKPOINT_FILES, HubUnreachable, ask_hub, cache_alone, hub_or_cache

REPOSITORY, REVISION = "someone/music", "0" * 40


@pytest.fixture
def silent_hub() -> Iterator[str]:
    """Accept connections, and never answer on one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing_hub() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_silent_hub_is_said_in_one_line_with_the_remedy(tmp_path: Path, silent_hub: str) -> None:
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    environment |= {"HF_ENDPOINT": silent_hub, "CACHE_DIR": str(tmp_path), "HF_HUB_ETAG_TIMEOUT": "1"}
    command = [sys.executable, "-m", "worker.weights", "small"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: the model hub {silent_hub} does not answer (no answer within 1 s)")
    assert "not all of facebook/musicgen-small is in the cache" in line
    assert "OFFLINE=1" in line


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, refusing_hub: str) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", refusing_hub)
    monkeypatch.setattr(hub, "TRY_AGAIN_S", 0.02)


@pytest.mark.usefixtures("asked")
def test_what_is_in_the_cache_is_taken_without_the_hub_and_only_while_it_is_silent(tmp_path: Path) -> None:
    snapshot = tmp_path / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(REVISION)
    (snapshot / CHECKPOINT_FILES[0]).write_text("weights")
    in_one_line = rf"{constants.ENDPOINT} does not answer \(.*refused.*\), and not all of {REPOSITORY} is .*OFFLINE=1"
    with pytest.raises(HubUnreachable, match=in_one_line):
        ask_hub(REPOSITORY, CHECKPOINT_FILES, str(tmp_path), None)
    why = ask_hub(REPOSITORY, CHECKPOINT_FILES[:1], str(tmp_path), None)
    assert "refused" in why
    with cache_alone(REPOSITORY, why):
        assert Path(hf_hub_download(REPOSITORY, CHECKPOINT_FILES[0], cache_dir=tmp_path)).read_text() == "weights"
        with hub_or_cache("t5-base"):
            assert constants.is_offline_mode(), "not asked a second time"
    assert not constants.is_offline_mode()
    with pytest.raises(HubUnreachable, match="not all of t5-base"), hub_or_cache("t5-base"):
        hf_hub_download("t5-base", "config.json", cache_dir=tmp_path)


@pytest.mark.usefixtures("asked")
def test_a_name_that_no_hub_could_know_is_left_to_the_loader() -> None:
    assert ask_hub("no/such/name/at all", CHECKPOINT_FILES, None, None) == ""
