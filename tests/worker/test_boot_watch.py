"""A boot that crashed is remembered for the boots after it, until one goes well; one that was killed is not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import ROOT, Settings
from worker.boot_watch import BootWatch

DIE = """
import os, sys
from pathlib import Path
from shared.settings import Settings
from worker.boot_watch import BootWatch
watch = BootWatch(Settings(_env_file=None, cache_dir=Path(sys.argv[1]), worker_name="w"), "0")
watch.trying(sys.argv[2])
{end}
"""


def settings_of(folder: Path, worker: str = "w") -> Settings:
    return Settings(_env_file=None, cache_dir=folder, worker_name=worker)


def die(folder: Path, rung: str, end: str) -> int:
    """Boot in a process of its own until that end."""
    return subprocess.run(
        [sys.executable, "-c", DIE.format(end=end), str(folder), rung], cwd=ROOT, check=False
    ).returncode


def test_a_boot_that_crashed_takes_its_rung_away_from_this_worker_until_one_goes_well(tmp_path: Path) -> None:
    assert die(tmp_path, "graphs", "os.abort()") == -signal.SIGABRT
    assert die(tmp_path, "eager", "import faulthandler; faulthandler._sigsegv()") == -signal.SIGSEGV
    watch = BootWatch(settings_of(tmp_path), "0")
    found = watch.found()
    assert set(found) == {"graphs", "eager"}
    assert found["graphs"] == "a boot before crashed: Aborted at <string>:8"
    assert found["eager"].startswith("a boot before crashed: Segmentation fault")
    assert BootWatch(settings_of(tmp_path), "1").found() == {}, "another GPU's worker"
    assert BootWatch(settings_of(tmp_path, "other"), "0").found() == {}
    watch.ended(forget=True)
    assert watch.found() == {}


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)", "sys.exit(1)", "watch.ended(forget=False)"]
)
def test_a_boot_that_was_killed_or_ended_by_itself_takes_nothing_away(tmp_path: Path, end: str) -> None:
    die(tmp_path, "graphs", end)
    assert BootWatch(settings_of(tmp_path), "0").found() == {}


def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "boots").write_text("a file")
    assert die(tmp_path, "graphs", "watch.ended(forget=True)") == 0
    assert BootWatch(settings_of(tmp_path), "0").found() == {}
