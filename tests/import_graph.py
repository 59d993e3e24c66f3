"""Read from the source who imports whom: modules, their packages, and what each reaches by way of others.

Imports for type checkers alone do not count. Libraries are nodes too, by their first name.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients/python"
FOLDERS = ("api", "shared", "worker", "housekeeping", "mixing", "stack", "chaos", "bench", "training", "tools")

Graph = Mapping[str, frozenset[str]]


def module_name(path: Path) -> str:
    base = CLIENT if path.is_relative_to(CLIENT) else ROOT
    return ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> Graph:
    """Return each module of the repository with those that it imports, lazily too, and the libraries it imports."""
    paths = {module_name(path): path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    paths |= {module_name(path): path for path in (CLIENT / "music_gen").rglob("*.py")}
    return {name: frozenset(_imports(path, paths.keys()) - {name}) for name, path in paths.items()}


@cache
def packages() -> Graph:
    """Return each package with the others that its modules import. A top folder's own modules stand for themselves."""
    found: dict[str, set[str]] = {}
    for module, imported in modules().items():
        found.setdefault(_package(module), set()).update(_package(name) for name in imported if name in modules())
    return {package: frozenset(imported - {package}) for package, imported in found.items()}


def reached(graph: Graph, start: str) -> dict[str, list[str]]:
    """Return all that a module imports, directly or not, each with a shortest chain of imports to it."""
    chains = {start: [start]}
    queue = [start]
    for name in queue:
        for imported in sorted(graph.get(name, frozenset()) - chains.keys()):
            chains[imported] = [*chains[name], imported]
            queue.append(imported)
    return chains


def circles(graph: Graph) -> list[list[str]]:
    """Return a chain of imports from each node that comes back to itself."""
    found = []
    for node in graph:
        chains = reached(graph, node)
        found += [[*chains[back], node] for back in sorted(chains.keys() - {node}) if node in graph.get(back, ())][:1]
    return found


def within(folder: str) -> list[str]:
    """Return the modules of a package and of those below it."""
    return sorted(name for name in modules() if name == folder or name.startswith(f"{folder}."))


def _package(module: str) -> str:
    if (ROOT / module.replace(".", "/")).is_dir() or (CLIENT / module.replace(".", "/")).is_dir():
        return module
    parent = module.rpartition(".")[0]
    return parent if "." in parent else module


def _imports(path: Path, known: Container[str]) -> set[str]:
    found = set()
    for node in _nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
    return {name if name in known else name.partition(".")[0] for name in found}


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node, but for what stands under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from _nodes(child)
