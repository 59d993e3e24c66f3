"""Check that Node, bundlers and TypeScript find the package's code and types, by their own rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.js.conftest import Live
from tools import dist
from tools.environments import pinned_npm_environment
from tools.node import NODE

pytestmark = [pytest.mark.xdist_group("js"), pytest.mark.slow]

CONSUMERS = Path(__file__).with_name("consumers")
STRICT = ("--strict", "--noEmit", "--skipDefaultLibCheck")  # that of TypeScript itself is its own affair
FOR_NODE = ("--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom")


def test_every_resolver_finds_code_and_types(tarball: Path) -> None:
    dist.check_npm(tarball)


def test_typescript_takes_the_right_uses_and_refuses_the_wrong_ones_by_import_and_by_require(live: Live) -> None:
    for path in sorted(CONSUMERS.iterdir()):
        shutil.copy(path, live.folder)
    names = [path.name for path in sorted(CONSUMERS.iterdir())]
    assert names == ["import.mts", "require.cts"]
    tsc = pinned_npm_environment("npm-tools", dist.NPM_TOOLS) / ".bin" / "tsc"
    command = [str(NODE), str(tsc), *STRICT, *FOR_NODE, *names]
    run = subprocess.run(command, cwd=live.folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
