"""Test which Chromium the tests open, and that nothing comes from elsewhere than it is pinned to."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from tests.browser import chromium, install

pytestmark = pytest.mark.slow


def test_every_package_is_pinned_by_its_digest_and_no_address_is_named() -> None:
    manifest, lock = (json.loads((install.HERE / f"package{name}.json").read_text()) for name in ("", "-lock"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages["node_modules/@sparticuz/chromium"]["version"] in manifest["dependencies"].values()
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_one_that_the_environment_names_comes_first_and_a_missing_one_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHROMIUM", "/usr/bin/chromium")
    assert chromium.command() == (Path("/usr/bin/chromium"), {})
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setattr(chromium, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="make install-dev"):
        chromium.command()


def test_a_machine_that_it_is_not_made_for_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(SystemExit, match="CHROMIUM="):
        install.install(tmp_path / "chromium")
    assert list(tmp_path.iterdir()) == []
