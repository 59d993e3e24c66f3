"""The page's libraries are laid out from what the lock file pins, or a line says why not."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from shared.settings import ROOT
from stack.install import npm, page_libraries

RELATIVE = Path(".venv/bin/python")  # as the installer names it


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy what pins the libraries into a checkout that has none yet, beside the environment of this process."""
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page").mkdir()
    for name in ("package.json", "package-lock.json", "served.json"):
        shutil.copy(ROOT / "page" / name, tmp_path / "page")
    return tmp_path / "page"


def test_npm_brings_every_library_that_the_page_serves_and_their_licences(page: Path) -> None:
    page_libraries.install(RELATIVE, page)
    served = page_libraries._served(page)
    laid_out = {file.name for file in (page / "vendor").iterdir()}
    assert set(served["imports"].values()) == served["vendor"].keys() < laid_out
    assert all(name in (page / "vendor" / page_libraries.LICENCES).read_text() for name in served["licences"])
    assert page_libraries.is_installed(page)


def test_a_registry_that_is_away_is_said_and_leaves_nothing_half_done(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(page / "cache"))
    began = time.monotonic()
    with pytest.raises(npm.NpmFailed, match=r"connect ECONNREFUSED 127\.0\.0\.1:9"):
        page_libraries.install(RELATIVE, page)
    assert time.monotonic() - began < 30  # npm's own retries would take minutes
    assert not page_libraries.is_installed(page)
    assert not (page / "vendor").exists()
