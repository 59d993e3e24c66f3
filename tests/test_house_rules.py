"""The dependency rule, proved by blocking imports in a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

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

API = ("api", {"torch", "torchaudio", "audiocraft", "transformers", "worker", "training", "stack"})
SHARED = ("shared", {"torch", "torchaudio", "audiocraft", "flask", "werkzeug", "api", "worker", "stack"})
ENGINE = (
    "worker/engine",
    {"celery", "kombu", "redis", "flask", "api", "shared.settings", "shared.jobstore", "shared.queue"},
)
WORKER = ("worker", {"flask", "werkzeug", "gunicorn", "gevent", "api", "stack"})

Rule = tuple[str, set[str]]


def modules_of(folder: str) -> list[str]:
    """Every module below a folder but entry points, which read the environment when imported."""
    paths = sorted((ROOT / folder).rglob("*.py"))
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
@pytest.mark.parametrize("rules", [(API,), (SHARED,), (ENGINE, WORKER)], ids=["api", "shared", "engine, worker"])
def test_each_side_imports_without_the_other_sides_libraries(rules: tuple[Rule, ...]) -> None:
    run = import_under(*rules)
    assert run.returncode == 0, run.stderr[-2000:]


def test_the_blocker_really_blocks() -> None:
    run = import_under(("api", {"flask"}))
    assert "blocked by the house rule: flask" in run.stderr


def test_only_settings_read_the_environment() -> None:
    """worker/weights.py sets variables for the libraries below it; melody.py hands a child a bare environment."""
    readers = []
    for folder in ("shared", "api", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text())
            uses = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in ("environ", "getenv")]
            if uses:
                readers.append(path.relative_to(ROOT).as_posix())
    assert sorted(readers) == ["api/melody.py", "worker/weights.py"]
