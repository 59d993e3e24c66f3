"""Test what is installed: the wheel, what it needs, and what it says where the engine is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.clients.conftest import PACKAGE

pytestmark = pytest.mark.slow

BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
LIGHT = """
import sys
import music_gen
heavy = {"torch", "scipy", "pydantic", "shared", "worker", "mixing", "IPython"} & set(sys.modules)
assert not heavy, heavy
print(music_gen.__file__)
for name, given in (("MusicGenerator", "tiny"), ("MultiInstrumentGenerator", "tiny"), ("AudioMixer", None)):
    try:
        getattr(music_gen, name)(given)
    except music_gen.errors.LocalUnavailable as error:
        print(name, error)
"""


def python(code: str, *arguments: str, cwd: Path, path: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path or "")}
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_is_typed_has_the_command_and_says_what_it_cannot_do_elsewhere(tmp_path: Path) -> None:
    source, place = tmp_path / "python", tmp_path / "site"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    wheel = tmp_path / python(BUILD, str(tmp_path), cwd=source).split()[-1]
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "music-gen = music_gen.cli.main:main" in archive.read(entry).decode()
        archive.extractall(place)
    assert "music_gen/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {"music_gen", entry.partition("/")[0]}
    told = python(LIGHT, cwd=tmp_path, path=place).splitlines()
    assert told[0].startswith(str(place))
    assert [line.split()[0] for line in told[1:]] == ["MusicGenerator", "MultiInstrumentGenerator", "AudioMixer"]
    assert "pip install -e 'clients/python[local]'" in told[1]
    assert "pip install -e 'clients/python[mixing]'" in told[3]


def test_in_the_checkout_the_desk_is_found_from_anywhere_and_a_package_in_its_way_is_named(tmp_path: Path) -> None:
    ask = "import sys, music_gen; music_gen.AudioMixer(); print('mixing.mixer' in sys.modules, 'torch' in sys.modules)"
    assert python(ask, cwd=tmp_path, path=PACKAGE) == "True False\n"
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").write_text("")
    refused = "import music_gen\ntry: music_gen.AudioMixer()\nexcept music_gen.errors.LocalUnavailable as e: print(e)"
    assert f"{tmp_path / 'shared'} stands before" in python(refused, cwd=tmp_path, path=PACKAGE)
