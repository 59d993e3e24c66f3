"""Make small wheels, and folders that pip and uv take for a package index (PEP 503)."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from uv import find_uv_bin

from stack.install.installer import UV


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes] | None = None) -> Path:
    """Make a wheel of these files; without any, of one module of the package's name."""
    contents = dict(files or {f"{name.replace('-', '_')}.py": f"version = {version!r}\n".encode()})
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    return _write(folder / f"{info.removesuffix('.dist-info')}-py3-none-any.whl", info, contents)


def uv_wheel(folder: Path) -> Path:
    """Make a small wheel of the version that is wanted, which runs the uv that is installed here."""
    program = find_uv_bin()
    code = f"import os, sys\nos.execv({program!r}, [{program!r}, *sys.argv[1:]])\n".encode()
    return make_wheel(folder, "uv", UV.partition("==")[2], {"uv/__init__.py": b"", "uv/__main__.py": code})


def _write(path: Path, info: str, contents: Mapping[str, bytes]) -> Path:
    lines = []
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, content in contents.items():
            wheel.writestr(inside, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            lines.append(f"{inside},sha256={digest},{len(content)}")
        wheel.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,", ""]))
    return path


def make_index(folder: Path, wheels: Iterable[Path]) -> str:
    """Make an index of these wheels, and return its address."""
    by_name: dict[str, list[Path]] = {}
    for wheel in wheels:
        by_name.setdefault(wheel.name.partition("-")[0].replace("_", "-").lower(), []).append(wheel)
    for name, found in by_name.items():
        (folder / name).mkdir(parents=True)
        links = "".join(f'<a href="{wheel.as_uri()}">{wheel.name}</a>\n' for wheel in found)
        (folder / name / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{links}</body></html>\n")
    return folder.as_uri()
