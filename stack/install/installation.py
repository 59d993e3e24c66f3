"""Bring one environment to what is wanted, step by step: each is done once, and repaired where it was cut off."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from stack.install import requirement_lists as lists
from stack.install.environment import Environment
from stack.install.failures import DiskFull, InstallFailed, short_of_space
from stack.install.installer import Installer
from stack.install.sizes import CPU_GB, DEV_GB, SPARE_GB, USUAL_GB
from stack.install.torch_build import Build, Machine, choose, cost_of_fallback

# of the programs that `make up` starts; in two processes, for two cores
FIRST_IMPORTS = ("api.app, housekeeping.process, stack.up, stack.demo", "worker.engine.engine, worker.tasks")


@dataclass(frozen=True)
class Wanted:
    """Hold what is to be installed where; `by_hand` is the build that CPU=1 or CUDA=1 name."""

    folder: Path
    with_dev: bool
    by_hand: Build | None
    index: str
    requirements: Path = Path("requirements")


def say(line: str) -> None:
    print(f"==> {line}", flush=True)


class Installation:
    """Bring one environment to what is wanted, step by step."""

    def __init__(self, wanted: Wanted, machine: Machine) -> None:
        self._wanted = wanted
        self._machine = machine
        self._environment = Environment(wanted.folder)
        self._run_lines = lists.read_lines(wanted.requirements, lists.RUN)
        self._dev_lines = lists.read_lines(wanted.requirements, lists.DEV) if wanted.with_dev else []

    def run(self) -> None:
        """Install what is missing. Raises InstallFailed; an environment that it made is gone again then."""
        usable = self._environment.is_usable()
        build = self._wanted.by_hand or (self._environment.torch_build() if usable else None)
        if usable and build and self._is_done(build):
            self._mention_driver(build)
            return
        remark = ""
        if build is None:
            build, remark = choose(self._machine, self._wanted.index)
        self._check_space(build)
        if remark:
            say(remark)
        try:
            self._install(build, usable)
        except InstallFailed:
            if not usable and not self._environment.installed_names():
                self._environment.remove()
            raise

    def _install(self, build: Build, usable: bool) -> None:
        need_gb = _gb(build) + (DEV_GB if self._wanted.with_dev else 0)
        if not usable:
            say(f"making {self._wanted.folder} with Python {sys.version.split()[0]}")
            self._environment.make(need_gb)
        installer = Installer(self._environment, say, need_gb)
        build = self._install_torch(installer, build)
        if self._step(installer, "run", self._lines_of(build), f"API, worker and broker ({_size(build)})"):
            compile_imports(self._environment.python)
        if self._wanted.with_dev:
            self._step(installer, "dev", self._dev_lines, f"the tools for tests and checks ({DEV_GB} GB)")

    def _install_torch(self, installer: Installer, build: Build) -> Build:
        """Install the build that PyPI does not have, or bring PyPI's back; returns the one that it became."""
        other = self._environment.torch_build() not in (None, build)
        if build is Build.USUAL:
            if other:
                installer.install(lists.torch_lines(self._run_lines), anew=True)
            return build
        lines = lists.cpu_torch_lines(self._run_lines)
        if self._environment.has("torch", lines) and not other:
            return build
        say("installing torch's CPU build")
        try:
            installer.install(lines, index=self._wanted.index, anew=other)
        except DiskFull:
            raise
        except InstallFailed as error:
            if self._wanted.by_hand is Build.CPU:
                raise InstallFailed(
                    f"CPU=1: torch's CPU build cannot be taken from {self._wanted.index} (see above): name another "
                    f"index with TORCH_INDEX, or leave CPU=1 out for the usual build of {USUAL_GB} GB"
                ) from error
            say(cost_of_fallback(self._wanted.index, "see above"))
            self._check_space(Build.USUAL)
            return Build.USUAL
        self._environment.keep("torch", lines, lists.TORCH)
        return build

    def _step(self, installer: Installer, name: str, lines: list[str], words: str) -> bool:
        """Install these lines, and remove what an earlier list of this step had and none has now.

        Returns False where they were in already.
        """
        environment = self._environment
        if environment.has(name, lines):
            return False
        say(f"installing {words} into {self._wanted.folder}; the first time this takes some minutes")
        before = environment.installed_names() | {n for n in lists.names_of(self._run_lines) if lists.GPU_ONLY.match(n)}
        installer.install(lines)
        environment.keep(name, lines, lists.names_of(lines))
        installer.uninstall(before - environment.installed_names())
        return True

    def _is_done(self, build: Build) -> bool:
        environment = self._environment
        return (
            environment.torch_build() is build
            and environment.has("run", self._lines_of(build))
            and (not self._wanted.with_dev or environment.has("dev", self._dev_lines))
        )

    def _lines_of(self, build: Build) -> list[str]:
        return self._run_lines if build is Build.USUAL else lists.without_gpu(self._run_lines)

    def _check_space(self, build: Build) -> None:
        there = self._environment.torch_build() is build
        need_gb = SPARE_GB + (0 if there else _gb(build)) + (DEV_GB if self._wanted.with_dev else 0)
        free_gb = shutil.disk_usage(self._wanted.folder.absolute().parent).free / 1e9
        if free_gb < need_gb:
            raise short_of_space(self._wanted.folder, free_gb, need_gb)

    def _mention_driver(self, build: Build) -> None:
        if build is Build.CPU and self._wanted.by_hand is None and self._machine.has_driver_files():
            say("an NVIDIA driver is here, and torch's CPU build is installed: `make install CUDA=1` takes the other")


def compile_imports(python: Path) -> None:
    """Import once what the first start imports, which compiles it: a tenth of what was installed, and then at once."""
    if sys.dont_write_bytecode:  # PYTHONDONTWRITEBYTECODE
        return
    say("compiling what the first start imports")
    commands = [[str(python), "-W", "ignore", "-c", f"import {modules}"] for modules in FIRST_IMPORTS]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    for process in running:
        process.wait()  # what fails here will say so when it is started


def _gb(build: Build) -> float:
    return CPU_GB if build is Build.CPU else USUAL_GB


def _size(build: Build) -> str:
    return f"about {_gb(build)} GB" if sys.platform == "linux" else "a build without CUDA"
