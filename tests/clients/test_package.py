"""Test what is installed: the wheel, what it needs, and what it says where the engine is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shared.settings import ROOT
from shared.version import VERSION
from tests.clients.conftest import PACKAGE

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow]

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


def test_the_wheel_is_typed_has_the_command_its_licence_and_says_what_it_cannot_do_elsewhere(
    wheel: Path, tmp_path: Path
) -> None:
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        information = next(name for name in names if name.endswith("entry_points.txt")).partition("/")[0]
        assert "music-gen = music_gen.cli.main:main" in archive.read(f"{information}/entry_points.txt").decode()
        assert archive.read(f"{information}/licenses/LICENSE").decode() == (ROOT / "LICENSE").read_text()
        asked = archive.read(f"{information}/METADATA").decode()
        archive.extractall(place)
    assert f"\nVersion: {VERSION}\n" in asked
    assert "\nRequires-Python: >=3.11\n" in asked, "no upper bound"
    sources = {path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "music_gen").rglob("*.py")}
    assert sources <= names
    assert "music_gen/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {"music_gen", information}
    told = python(LIGHT, cwd=tmp_path, path=place).splitlines()
    assert told[0].startswith(str(place))
    assert [line.split()[0] for line in told[1:]] == ["MusicGenerator", "MultiInstrumentGenerator", "AudioMixer"]
    both = "pip install -e 'clients/python[local]' && pip install --no-deps -r requirements/audiocraft.txt. Then run"
    assert both in told[1]
    assert "in a checkout of it: pip install -e 'clients/python[mixing]'. Then run your program" in told[3]


def test_the_readme_of_each_package_leads_nowhere_that_a_package_index_lacks() -> None:
    for readme in (PACKAGE / "README.md", ROOT / "clients" / "js" / "README.md"):
        links = re.findall(r"\]\(([^)]*)\)", readme.read_text())
        assert [link for link in links if not link.startswith("https://")] == [], readme.parent.name


def test_in_the_checkout_the_desk_is_found_from_anywhere_and_a_package_in_its_way_is_named(tmp_path: Path) -> None:
    ask = "import sys, music_gen; music_gen.AudioMixer(); print('mixing.mixer' in sys.modules, 'torch' in sys.modules)"
    assert python(ask, cwd=tmp_path, path=PACKAGE) == "True False\n"
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").write_text("")
    refused = "import music_gen\ntry: music_gen.AudioMixer()\nexcept music_gen.errors.LocalUnavailable as e: print(e)"
    assert f"{tmp_path / 'shared'} stands before" in python(refused, cwd=tmp_path, path=PACKAGE)
