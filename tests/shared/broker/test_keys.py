"""Key families are listed once: Lua has those of Python, and nobody else spells a key."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.lua_loader import LUA

ROOT = Path(__file__).resolve().parents[3]
FAMILIES = [name for name, member in vars(RedisKeys).items() if inspect.isfunction(member) and name[0] != "_"]
SPELLED = re.compile(r"""f?["']\{?(?:ROOT_KEY|self\._root|root|ostinato)\}?:[a-z]""")


def lua_of(family: str) -> str:
    """The line of keys.lua that builds a family's keys."""
    build = getattr(RedisKeys("root"), family)
    names = list(inspect.signature(build).parameters)
    pieces = re.split("<(.*?)>", build(*(f"<{name}>" for name in names)).removeprefix("root"))
    joined = " .. ".join(["root", *(piece if n % 2 else f"'{piece}'" for n, piece in enumerate(pieces) if piece)])
    if not names:
        return f"local {family}_key = {joined}"
    return f"local function {family}_key({', '.join(names)}) return {joined} end"


def test_lua_builds_the_keys_of_every_family_as_python_does() -> None:
    lines = [line for line in (LUA / "includes" / "keys.lua").read_text().splitlines() if not line.startswith("--")]
    assert lines == ["local root = KEYS[1]", *map(lua_of, FAMILIES)]


def test_every_family_says_what_it_holds_and_hangs_below_the_root() -> None:
    for family in FAMILIES:
        build = getattr(RedisKeys(), family)
        assert build(*("x" for _ in inspect.signature(build).parameters)).startswith(f"{ROOT_KEY}:")
        assert inspect.getdoc(build), family


def test_no_two_families_have_the_same_keys() -> None:
    """Names hold no colon but in accounts, models and ids: what follows the family's own words must differ."""
    built = [
        re.sub("<.*?>", "<>", build(*(f"<{name}>" for name in inspect.signature(build).parameters)))
        for build in (getattr(RedisKeys(), family) for family in FAMILIES)
    ]
    assert len(built) == len(set(built))


def test_nobody_else_spells_a_key() -> None:
    sources = (
        path
        for part in ("shared", "api", "worker", "housekeeping", "stack", "chaos")
        for path in (ROOT / part).rglob("*.py")
    )
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sources
        if path != ROOT / "shared" / "broker" / "keys.py"
        for line in path.read_text().splitlines()
        if SPELLED.search(line)
    ]
    assert found == []
