"""Install the wheel into clean environments, on each Python that it is for, and use it against the served API.

`make test` does so on the newest Python that is here; `make test-packages` on all of them, with more of its tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from api.auth.keys import NO_LIMITS
from shared.settings import ROOT
from tests.clients.conftest import PACKAGE, Live
from tools.environments import find_python, make_environment

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow]

HERE = Path(__file__).parent
TIMEOUT_S = 180.0  # of a program, on a machine with other work
PYTHONS = ("3.11", "3.12", "3.13")
NEWEST = next((version for version in reversed(PYTHONS) if find_python(version) != version), PYTHONS[0])
OWN_TESTS = ("test_audio_output.py", "test_tracks.py", "remote/test_client.py", "remote/test_async_client.py")
QUICK_TESTS = "notebook or published or awaited or followed"
README_EXAMPLES = re.findall(r"^```python\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.M | re.S)
EVERY_PYTHON = [pytest.param(version, marks=[] if version == NEWEST else pytest.mark.long) for version in PYTHONS]
PINS = [f"-c{ROOT}/requirements/{name}.txt" for name in ("api", "embedded", "dev")]


class Installed:
    """Hold an environment that has the wheel, what that asks for, and pytest."""

    def __init__(self, python: Path, live: Live) -> None:
        self.bin = python.parent
        self._live = live

    def new_key(self) -> str:
        """Make an account of its own: what others have made is then not answered from what is kept."""
        return self._live.keys.create("wheel", NO_LIMITS)[0]

    def run(self, program: str, *arguments: str | Path, folder: Path) -> str:
        """Run a program of the environment; return what it printed."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [str(self.bin / program), *map(str, arguments)],
            cwd=folder,
            env={**environment, "MUSIC_GEN_BASE_URL": self._live.url, "MUSIC_GEN_API_KEY": self.new_key()},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module", params=EVERY_PYTHON)
def installed(
    request: pytest.FixtureRequest, wheel: Path, live: Live, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    folder = tmp_path_factory.mktemp("installed") / request.param
    return Installed(make_environment(folder, [wheel, "pytest", *PINS], find_python(request.param)), live)


def test_the_readmes_examples_run_with_the_wheel_alone(installed: Installed, live: Live, tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs" / "examples" / "hum.flac", tmp_path / "hum.wav")  # its content says what it is
    here = {"YOUR_KEY": installed.new_key(), "http://localhost:8000": live.url, "duration=30": "duration=2"}
    script = "\n".join(README_EXAMPLES)
    for published, used in here.items():
        script = script.replace(published, used)
    script += "\nimport music_gen\nprint(music_gen.__version__, music_gen.__file__)\n"
    (tmp_path / "readme.py").write_text(script)
    told = installed.run("python", "readme.py", folder=tmp_path).splitlines()
    assert [line.split()[0] for line in told[:2]] == ["queued", "started"]
    assert str(installed.bin.parent) in told[-1]
    saved = {path.name: soundfile.info(path).format for path in tmp_path.iterdir() if path.suffix in (".mp3", ".wav")}
    assert saved == {"hum.wav": "FLAC", "jazz.wav": "WAV", "flute.mp3": "MP3", "duo.wav": "WAV", "piano.wav": "WAV"}


def test_the_command_makes_music_with_the_wheel_alone(installed: Installed, tmp_path: Path) -> None:
    told = installed.run("music-gen", "lofi piano", "--seed", "3", "-o", "out.mp3", folder=tmp_path)
    assert "seed 3" in told
    assert soundfile.info(tmp_path / "out.mp3").format == "MP3"


def run_own_tests(installed: Installed, folder: Path, *choice: str) -> int:
    """Run tests of this folder where neither the repository nor the server's libraries are; return how many passed."""
    tests = folder / "tests"
    for name in ("audio_fixtures.py", "clients/proxy.py", *(f"clients/{each}" for each in OWN_TESTS)):
        (tests / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE.parent / name, tests / name)
    shutil.copy(HERE / "installed_conftest.py", tests / "clients" / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = xdist_group(name)\n")
    told = installed.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *choice, "tests", folder=folder)
    passed = re.search(r"^(\d+) passed", told, re.M)
    assert passed, told
    return int(passed[1])


def test_some_of_the_clients_own_tests_pass_with_the_wheel_alone(installed: Installed, tmp_path: Path) -> None:
    assert run_own_tests(installed, tmp_path, "-k", QUICK_TESTS) >= 4


@pytest.mark.long
def test_all_of_the_clients_own_tests_pass_with_the_wheel_alone(installed: Installed, tmp_path: Path) -> None:
    assert run_own_tests(installed, tmp_path) >= 30


def test_uvx_runs_the_command_from_the_wheel_without_installing_it(wheel: Path, tmp_path: Path) -> None:
    uvx = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "--from", str(wheel), "music-gen", "--help"]
    done = subprocess.run(uvx, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "music-gen" in done.stdout
