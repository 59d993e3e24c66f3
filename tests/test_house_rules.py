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
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {blocked!r} or name in {blocked!r}:
            raise ImportError('blocked by the house rule: ' + name)
sys.meta_path.insert(0, Block())
"""


def modules_of(folder: str) -> list[str]:
    """Every module below a folder but entry points, which read the environment when imported."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if name not in ("api.wsgi", "worker.app")]


def import_blocked(names: list[str], blocked: set[str]) -> subprocess.CompletedProcess[str]:
    code = BLOCKER.format(blocked=blocked) + "\n".join(f"import {name}" for name in names)
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("folder", "blocked"),
    [
        ("api", {"torch", "torchaudio", "audiocraft", "transformers", "worker", "training", "stack"}),
        ("shared", {"torch", "torchaudio", "audiocraft", "flask", "werkzeug", "api", "worker", "stack"}),
        ("worker", {"flask", "werkzeug", "gunicorn", "gevent", "api", "stack"}),
        (
            "worker/engine",
            {"celery", "kombu", "redis", "flask", "api", "shared.settings", "shared.jobstore", "shared.queue"},
        ),
    ],
)
def test_each_side_imports_without_the_other_sides_libraries(folder: str, blocked: set[str]) -> None:
    run = import_blocked(modules_of(folder), blocked)
    assert run.returncode == 0, run.stderr[-2000:]


def test_the_blocker_really_blocks() -> None:
    run = import_blocked(["api.app"], {"flask"})
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
