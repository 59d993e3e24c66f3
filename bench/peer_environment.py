"""Install peers whose packages shall not meet ours: `python -m bench.peer_environment`. Offers their Python.

The environment lies in this one's folder, and imports from this one what it has not itself: torch and transformers
are the same. Where the packages cannot be had, it says so and leaves the peers out.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from shared.settings import ROOT

FOLDER = Path(sys.prefix) / "peers"
PYTHON = FOLDER / "bin" / "python"
REQUIREMENTS = ROOT / "requirements" / "bench.txt"
RECORD = FOLDER / ".installed"


def is_complete() -> bool:
    """Tell whether all that is required now is installed."""
    return RECORD.exists() and RECORD.read_text() == _digest()


def install() -> None:
    """Make the environment anew. Raises CalledProcessError where a package cannot be had."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", FOLDER], check=True)
    packages = next(FOLDER.glob("lib/python*/site-packages"))
    (packages / "below.pth").write_text(f"{Path(sysconfig.get_path('purelib')).resolve()}\n")
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(PYTHON), "--no-deps"]
    subprocess.run([*uv, "-r", str(REQUIREMENTS)], check=True)
    RECORD.write_text(_digest())


def _digest() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def main() -> None:
    if is_complete():
        return
    print(f"==> installing OpenVINO beside {sys.prefix}, for the benchmark alone (0.2 GB)", flush=True)
    try:
        install()
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"==> OpenVINO cannot be had ({error}); the benchmark leaves that peer out", flush=True)


if __name__ == "__main__":
    main()
