"""Install packages by uv, which is ten times faster, or by pip where uv cannot be had or fails: the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from stack.install.environment import Environment
from stack.install.failures import (
    BAD_CERTIFICATE,
    NO_NETWORK,
    NO_SPACE,
    CertificateRefused,
    DiskFull,
    IndexFailed,
    InstallFailed,
    NetworkFailed,
)
from stack.install.shown_command import Ended, run_quietly, run_shown

UV = "uv==0.13.8"
PIP_OPTIONS = ["--disable-pip-version-check", "--retries", "2"]


class Installer:
    """Install into one environment. Each call is complete, or raises InstallFailed."""

    def __init__(self, environment: Environment, say: Callable[[str], None], need_gb: float) -> None:
        self._environment = environment
        self._say = say
        self._need_gb = need_gb  # in all
        self._python = str(environment.python)
        self._by_uv = self._find_uv()

    def install(self, lines: Sequence[str], *, index: str | None = None, anew: bool = False) -> None:
        """Install these requirements and nothing else, from that index alone or the usual ones.

        What is there already stays, unless `anew`, or a run was cut off and may have left packages half written.
        """
        environment = self._environment
        repairs = environment.was_cut_off()
        (environment.folder / ".requirements.txt").write_text("\n".join(lines) + "\n")
        try:
            with environment.under_way():
                self._install(index, again=anew or repairs)
        except IndexFailed:
            if not repairs:
                environment.is_as_before()
            raise

    def _install(self, index: str | None, *, again: bool) -> None:
        ended = self._run_uv(index, again=again) if self._by_uv else None
        if ended is not None and ended.code:
            self._raise_for_the_machine(ended)
            self._say("uv failed; trying the same with pip")
            self._by_uv = False
        if ended is None or ended.code:
            ended = self._run_pip(index, again=again)
        if ended.code:
            self._raise_for_the_machine(ended)
            raise InstallFailed("the packages cannot be installed: the lines above say why; run the same command again")

    def uninstall(self, names: Iterable[str]) -> None:
        """Remove these packages; those that are not there, too."""
        if gone := sorted(names):
            run_quietly([self._python, "-m", "pip", "uninstall", "--yes", *gone])

    def _find_uv(self) -> bool:
        asked = run_quietly([self._python, "-m", "uv", "--version"])
        if asked.code == 0 and f"uv {UV.partition('==')[2]}" in asked.output:
            return True
        tried = run_quietly([self._python, "-m", "pip", "install", *PIP_OPTIONS, UV])
        if tried.code:
            self._raise_for_the_machine(tried)
            self._say("uv cannot be had; using pip: slower, the same result")
        return tried.code == 0

    def _run_uv(self, index: str | None, *, again: bool) -> Ended:
        command = [self._python, "-m", "uv", "pip", "install", "--python", self._python, "--no-deps"]
        command += ["--default-index", index] if index else []
        return run_shown([*command, *["--reinstall"] * again, "-r", self._list()])

    def _run_pip(self, index: str | None, *, again: bool) -> Ended:
        command = [self._python, "-m", "pip", "install", *PIP_OPTIONS, "--no-deps"]
        command += ["--index-url", index] if index else []
        return run_shown([*command, *["--force-reinstall"] * again, "-r", self._list()])

    def _list(self) -> str:
        return str(self._environment.folder / ".requirements.txt")

    def _raise_for_the_machine(self, ended: Ended) -> None:
        """Raise the error for what no other installer would do better."""
        state = "what was there is as it was" if self._environment.installed_names() else "nothing was installed"
        if NO_SPACE.search(ended.output):
            raise DiskFull(self._environment.folder, self._need_gb, state)
        if BAD_CERTIFICATE.search(ended.output):  # before what both say: that it cannot be reached
            raise CertificateRefused(state)
        if NO_NETWORK.search(ended.output):
            raise NetworkFailed(state)
