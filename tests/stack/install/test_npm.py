"""What a lock file pins is installed whole, or it is said what npm has against it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stack.install.npm import NpmFailed
from tools.node import install_locked

pytestmark = pytest.mark.slow


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a package that needs another, beside where it is to be installed, whose script leaves a file."""
    write(tmp_path / "song", name="song", scripts={"install": "node -e \"fs.writeFileSync('ran', '')\""})
    needs = {"song": "file:../song"}
    packages = {"": {"dependencies": needs}, "../song": {}, "node_modules/song": {"resolved": "../song", "link": True}}
    write(tmp_path, name="album", dependencies=needs)
    write(tmp_path, "package-lock.json", name="album", lockfileVersion=3, packages=packages)
    return tmp_path


def write(folder: Path, file: str = "package.json", **content: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / file).write_text(json.dumps({"version": "1.0.0", **content}))


def test_what_is_pinned_is_installed_and_its_scripts_are_not_run(source: Path) -> None:
    modules = install_locked(source, source / "made")
    assert [path.name for path in modules.iterdir() if path.name[0] != "."] == ["song"]
    assert not list(source.rglob("ran"))


def test_what_npm_has_against_it_is_told_in_a_sentence_and_noted_whole(source: Path) -> None:
    write(source, name="album", dependencies={"tune": "file:../song"})
    with pytest.raises(NpmFailed, match=r"^`npm ci` can only install packages when your package\.json and") as refused:
        install_locked(source, source / "made")
    assert "Missing: tune@" in refused.value.__notes__[0]


def test_what_npm_did_not_bring_is_named_though_npm_is_content(source: Path) -> None:
    (source / "song").rename(source / "gone")
    with pytest.raises(NpmFailed, match="npm brought no song"):
        install_locked(source, source / "made")
