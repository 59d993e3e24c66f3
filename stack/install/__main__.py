"""Install into a virtual environment: `python -m stack.install FOLDER run|dev [--cpu 1] [--torch-index URL]`.

Does nothing when all of it is done, asks no network then, and goes on where an interrupted run stopped.
"""

from __future__ import annotations

import argparse
import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stack.install import kernels, page_libraries
from stack.install.environment import Environment
from stack.install.failures import InstallFailed
from stack.install.installation import Installation, Wanted, say
from stack.install.torch_build import CPU_INDEX, Machine, address_of, chosen_by_hand

YES = ("1", "true", "yes", "on")
LOCK = Path("var/install.lock")
BROWSER_FILES = (Path("tests/browser/package-lock.json"), Path("tests/browser/install.py"))


def install_browser(environment: Environment) -> None:
    """Install the Chromium that opens pages for the tests; where it cannot be had, only those tests fail."""
    lines = [path.read_text() for path in BROWSER_FILES]
    if environment.has("browser", lines):
        return
    say("installing a Chromium for the tests (70 MB)")
    command = [str(environment.python), "-m", "tests.browser.install", str(environment.folder / "chromium")]
    if subprocess.run(command).returncode:
        say("no Chromium for the tests of pages, which will fail: see above, and run this again")
    else:
        environment.keep("browser", lines, ())


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other command installs here."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another command is installing here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def parse(words: Sequence[str], machine: Machine) -> tuple[Wanted, bool]:
    """Return what is wanted, and whether a browser is named already. Raises InstallFailed for what excludes itself."""
    parser = argparse.ArgumentParser("stack.install", description="install into a virtual environment")
    parser.add_argument("folder", type=Path)
    parser.add_argument("set", choices=["run", "dev"])
    parser.add_argument("--cpu", default="", help="1: torch's CPU build")
    parser.add_argument("--cuda", default="", help="1: torch with CUDA")
    parser.add_argument(
        "--torch-index", default="", help="where torch's CPU build is taken from: an address or a folder"
    )
    parser.add_argument("--chromium", default="", help="the browser for the tests, if there is one already")
    given = parser.parse_args(words)
    by_hand = chosen_by_hand(machine, cpu=given.cpu.lower() in YES, cuda=given.cuda.lower() in YES)
    wanted = Wanted(given.folder, given.set == "dev", by_hand, address_of(given.torch_index or CPU_INDEX))
    return wanted, bool(given.chromium)


def main(words: Sequence[str], machine: Machine | None = None) -> int:
    machine = machine or Machine(sys.platform)
    try:
        wanted, has_browser = parse(words, machine)
        with alone():
            Installation(wanted, machine).run()
            python = wanted.folder / "bin" / "python"
            kernels.main(python)
            page_libraries.main(python)
            if wanted.with_dev and not has_browser:
                install_browser(Environment(wanted.folder))
    except InstallFailed as error:
        print(f"error: {error.message}", file=sys.stderr, flush=True)
        return 1
    except OSError as error:  # our own files, in a folder that is full or may not be written
        print(f"error: {error}: give this folder room and the right to write, then run it again", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr, flush=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
