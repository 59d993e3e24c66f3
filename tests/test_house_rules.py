"""Prove the rules of dependency, by blocking imports in a fresh interpreter and by reading the import graph."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.import_graph import circles, modules, packages, reached, within

ROOT = Path(__file__).resolve().parent.parent
BLOCKER = """
import sys
class Block:
    names = frozenset()
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in self.names or name in self.names:
            raise ImportError('blocked by the house rule: ' + name)
blocker = Block()
sys.meta_path.insert(0, blocker)
"""

API = ("api", {"torch", "torchaudio", "audiocraft", "transformers", "scipy", "worker", "training", "stack"})
SHARED = ("shared", {"torch", "torchaudio", "audiocraft", "flask", "werkzeug", "api", "worker", "stack"})
ENGINE = (
    "worker/engine",
    {"celery", "kombu", "redis", "flask", "api", "shared.settings", "shared.jobs.store", "shared.jobs.tickets"},
)
HOUSEKEEPING = (
    "housekeeping",
    {"torch", "torchaudio", "audiocraft", "flask", "werkzeug", "gunicorn", "gevent", "api", "worker", "stack"},
)
MIXING = (
    "mixing",
    {
        "torch",
        "torchaudio",
        "audiocraft",
        "celery",
        "kombu",
        "redis",
        "flask",
        "pydantic",
        "api",
        "shared",
        "worker",
        "stack",
    },
)
# what the Python client loads to make music in its own process: no broker, no server
LOCAL = (
    "clients/python",
    {"celery", "kombu", "redis", "flask", "werkzeug", "gunicorn", "gevent", "boto3", "api", "stack", "housekeeping"},
)
WORKER = ("worker", {"flask", "werkzeug", "gunicorn", "gevent", "api", "stack"})

Rule = tuple[str, set[str]]


def modules_of(folder: str) -> list[str]:
    """Return every module below a folder but entry points, which read the environment when imported."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    if folder == LOCAL[0]:
        return sorted({name for path in paths for name in re.findall(r'\bload\("([\w.]+)"', path.read_text())})
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if name not in ("api.wsgi", "worker.app")]


def import_under(*rules: Rule) -> subprocess.CompletedProcess[str]:
    """Import each folder's modules in one fresh interpreter, in that order, each under its own block."""
    lines = [BLOCKER]
    for folder, blocked in rules:
        lines += [f"blocker.names = frozenset({sorted(blocked)!r})", *(f"import {m}" for m in modules_of(folder))]
    command = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


# the engine comes first: what it has not imported by then, it does not need (and torch is loaded only once)
@pytest.mark.slow
@pytest.mark.parametrize(
    "rules",
    [(API,), (MIXING,), (SHARED, HOUSEKEEPING), (ENGINE, LOCAL, WORKER)],
    ids=["api", "mixing", "shared, housekeeping", "engine, local, worker"],
)
def test_each_side_imports_without_the_other_sides_libraries(rules: tuple[Rule, ...]) -> None:
    run = import_under(*rules)
    assert run.returncode == 0, run.stderr[-2000:]


def test_the_blocker_really_blocks() -> None:
    run = import_under(("api", {"flask"}))
    assert "blocked by the house rule: flask" in run.stderr


def is_of_environment(node: ast.Attribute) -> bool:
    """Return whether it is os.environ or os.getenv; a WSGI request has an environ of its own."""
    return isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr in ("environ", "getenv")


def test_only_settings_read_the_environment() -> None:
    """Know four exceptions.

    One sets variables for libraries below it, one gives decoders a bare environment, one tells the process that it
    executes next what failed, and one is for tests alone.
    """
    readers = []
    for folder in ("shared", "api", "worker", "housekeeping", "mixing"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text())
            if any(isinstance(node, ast.Attribute) and is_of_environment(node) for node in ast.walk(tree)):
                readers.append(path.relative_to(ROOT).as_posix())
    assert sorted(readers) == [
        "api/uploads/sandbox/boot_check.py",
        "worker/engine_factory.py",
        "worker/injected_faults.py",
        "worker/ladder.py",
    ]


def test_a_mix_can_be_described_and_checked_where_there_is_no_numpy() -> None:
    """Let the API refuse a bad mix before any job is made of it: it imports nothing that computes."""
    names = {"numpy", "scipy", "soxr", "pyloudnorm"}
    lines = [
        BLOCKER,
        f"blocker.names = frozenset({names!r})",
        "import mixing, mixing.validation",
        "print(mixing.PRESETS.keys())",
    ]
    run = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True)
    assert "jazz_club" in run.stdout, run.stderr[-2000:]


def test_flask_g_holds_the_two_typed_states_of_a_request_and_nothing_else() -> None:
    users = [
        path
        for path in (ROOT / "api").rglob("*.py")
        if re.search(r"^from flask import .*\bg\b", path.read_text(), re.M)
    ]
    assert sorted(path.name for path in users) == ["authenticate.py", "request_state.py"]


def test_one_room_alone_imports_what_needs_stand_ins() -> None:
    """Anywhere else the import would ask for libraries that are not installed."""
    importers = {name for name, imported in modules().items() if imported & {"audiocraft", "demucs", "omegaconf"}}
    assert importers == {f"worker.engine.imports.{name}" for name in ("audiocraft", "demucs", "omegaconf")}


# what a package must not reach, by way of any other module either
WALLS = (
    ("api.services", ("flask", "werkzeug")),
    ("api.streaming", ("flask", "werkzeug")),
    ("api.uploads", ("flask", "werkzeug")),
    ("api.http", ("api.services",)),
    ("worker.engine", ("celery", "kombu")),
)


@pytest.mark.parametrize(("package", "beyond"), WALLS, ids=[package for package, _ in WALLS])
def test_no_module_of_a_package_reaches_what_lies_beyond_its_wall(package: str, beyond: tuple[str, ...]) -> None:
    assert within(package), f"there is no {package}"
    for module in within(package):
        chains = reached(modules(), module)
        over = [
            chain for name, chain in chains.items() if name in beyond or name.startswith(tuple(f"{b}." for b in beyond))
        ]
        assert not over, " -> ".join(over[0])


def test_dialects_import_neither_each_other_nor_native_routes_and_native_routes_no_dialect() -> None:
    """Leave out the native API's own value and the registry of all dialects, which stand beside their folders."""
    folders = sorted(path.parent.name for path in (ROOT / "api/dialects").glob("*/__init__.py"))
    assert len(folders) > 1
    forbidden = {
        f"api.dialects.{name}": ["api.routes", *(f"api.dialects.{n}" for n in folders if n != name)] for name in folders
    }
    forbidden |= {name: ["api.dialects"] for name in ("api.routes", "api.handlers", "api.openapi", "api.http")}
    for package, others in forbidden.items():
        beyond = {other for name in others for other in within(name)}
        for module in within(package):
            assert not modules()[module] & beyond, f"{module} imports {sorted(modules()[module] & beyond)}"


def test_a_dialect_is_named_in_its_own_folder_and_its_webhooks_module_alone() -> None:
    """Allow settings named for one, such as RUNPOD_ENDPOINTS: those are words of another kind."""
    names = "|".join(path.parent.name for path in (ROOT / "api/dialects").glob("*/__init__.py"))
    own = (ROOT / "api/dialects", ROOT / "shared/dialects")
    files = [path for folder in ("api", "shared", "housekeeping", "worker") for path in (ROOT / folder).rglob("*.py")]
    others = [path for path in files if not path.is_relative_to(own[0]) and not path.is_relative_to(own[1])]
    assert [path for path in others if re.search(rf"\b({names})\b", path.read_text())] == []


def test_no_packages_import_each_other_in_a_circle() -> None:
    assert not [" -> ".join(chain) for chain in circles(packages())]


def test_no_modules_of_the_python_client_import_each_other_in_a_circle() -> None:
    own = {module: imported for module, imported in modules().items() if module.startswith("music_gen")}
    assert own
    assert not [" -> ".join(chain) for chain in circles(own)]


def test_a_circle_is_found_wherever_it_is_entered() -> None:
    ring = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("b")}
    assert circles(ring) == [["b", "c", "b"], ["c", "b", "c"]]
