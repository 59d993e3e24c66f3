"""A checkout of one's own with small requirements, in which the real installation runs, without any network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from shared.settings import ROOT
from tests.stack.install.small_index import make_index, make_wheel, uv_wheel

NOWHERE = "http://127.0.0.1:9"  # nobody listens there
MANY = 200
WORKER = "torch==2.11.0\ntorchaudio==2.11.0\nnvidia-cublas==13.1 ; sys_platform == 'linux'\ntriton==3.6\n"
PROGRAM = """
import sys
from pathlib import Path
from stack.install.__main__ import main
from stack.install.torch_build import Machine
sys.exit(main(sys.argv[2:], Machine("linux", Path(sys.argv[1]))))
"""


class Indexes:
    """Two indexes in folders: the usual one, and PyTorch's of builds for the CPU."""

    def __init__(self, folder: Path) -> None:
        wheels = folder / "wheels"
        wheels.mkdir()
        many = {f"many/part_{number}.py": b"x = 1\n" * 50 for number in range(MANY)}
        names = (("torch", "2.11.0"), ("torchaudio", "2.11.0"), ("nvidia-cublas", "13.1"), ("triton", "3.6"))
        pairs = [*names, ("web", "1.0"), ("web", "2.0"), ("broker", "1.0"), ("audiocraft", "1.3.0"), ("checks", "1.0")]
        usual = [make_wheel(wheels, *pair) for pair in pairs]
        usual.append(make_wheel(wheels, "many", "1.0", many))
        of_cpu = [make_wheel(wheels, name, "2.11.0+cpu") for name in ("torch", "torchaudio")]
        self.without_uv = make_index(folder / "without-uv", usual)
        self.uv = uv_wheel(wheels)
        self.usual = make_index(folder / "usual", [*usual, self.uv])
        self.cpu = make_index(folder / "cpu", of_cpu)


def link(source: str | Path, target: str | Path) -> None:
    """Put a file there too: it is linked, since installers replace files and write into none."""
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


class Checkout:
    """A folder with the repository's code and small requirements of its own; `.venv` is what is installed."""

    def __init__(self, folder: Path, indexes: Indexes, environment: Path | None) -> None:
        self.folder = folder
        self.indexes = indexes
        for name in ("stack", "shared", "page", "worker"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "requirements").mkdir()
        (folder / "no-driver").mkdir()
        (folder / "driver" / "proc" / "driver" / "nvidia").mkdir(parents=True)
        for name, text in (("api", "web==1.0"), ("embedded", "broker==1.0"), ("audiocraft", "audiocraft==1.3.0")):
            self.require(name, text)
        self.require("worker", WORKER)
        self.require("dev", "checks==1.0")
        self.require("test-clients", "")
        if environment is not None:
            shutil.copytree(environment, folder / ".venv", symlinks=True, copy_function=link)

    def require(self, name: str, text: str) -> None:
        (self.folder / "requirements" / f"{name}.txt").write_text(f"# small\n{text}\n")

    def environment(self, **more: str) -> dict[str, str]:
        """Return what the installation sees: no settings of this machine's installers, and no network."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "HOME") if name in os.environ}
        cache = {"UV_CACHE_DIR": str(self.folder / "cache"), "PIP_CACHE_DIR": str(self.folder / "pip-cache")}
        settings = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "UV_HTTP_RETRIES": "0"}
        usual = {"PIP_INDEX_URL": self.indexes.usual, "UV_DEFAULT_INDEX": self.indexes.usual}
        return kept | cache | settings | usual | more

    def command(self, *words: str, root: str = "no-driver") -> list[str]:
        python = self.folder / ".venv" / "bin" / "python"
        return [str(python), "-c", PROGRAM, str(self.folder / root), ".venv", "run", *words]

    def install(self, *words: str, root: str = "no-driver", **more: str) -> subprocess.CompletedProcess[str]:
        """Install on a Linux machine whose system folders are those of `root`, and which has no program."""
        return self._run(self.command(*words, root=root), **{"PATH": ""} | more)

    def by_script(self, **more: str) -> subprocess.CompletedProcess[str]:
        """Install as make does, on this very machine."""
        python = {} if (self.folder / ".venv").exists() else {"PYTHON": sys.executable}
        return self._run(["sh", "stack/install.sh", "run"], **python | more)

    def _run(self, command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(**more), capture_output=True, text=True, timeout=60
        )

    @property
    def packages(self) -> Path:
        return next(self.folder.glob(".venv/lib/python*/site-packages"))

    def installed(self) -> dict[str, str]:
        """Return the versions of the small packages that are there."""
        pairs = (path.name.removesuffix(".dist-info").split("-") for path in self.packages.glob("*.dist-info"))
        return {name.replace("_", "-"): version for name, version in pairs if name not in ("pip", "uv", "setuptools")}
