"""Key families are listed once: Lua has those of Python that it names, and nobody else spells a key."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import redis

from shared.broker.keys import ROOT_KEY, RedisKeys
from tests.shared.lua_source import run_lua, top_level
from tools import lua_keys

ROOT = Path(__file__).resolve().parents[3]
FAMILIES = lua_keys.families()
SPELLED = re.compile(r"""f?["']\{?(?:ROOT_KEY|self\._root|root|ostinato)\}?:[a-z]""")


def test_lua_has_the_keys_that_it_names_and_no_others() -> None:
    assert lua_keys.FILE.read_text() == lua_keys.text(), "run python -m tools.lua_keys"


def test_the_server_builds_every_key_that_lua_names_as_python_does(tmp_path: Path, client: redis.Redis) -> None:
    named = [family for family in FAMILIES if f"{family}_key" in top_level("includes/keys")]
    parameters = {family: list(inspect.signature(getattr(RedisKeys(), family)).parameters) for family in named}
    built = {family: getattr(RedisKeys(), family)(*names) for family, names in parameters.items()}
    quoted = {family: ", ".join(f"'{name}'" for name in names) for family, names in parameters.items()}
    calls = [f"{family}_key({names})" if names else f"{family}_key" for family, names in quoted.items()]
    assert len(named) > 30
    assert run_lua(tmp_path, client, "keys", f"return {{{', '.join(calls)}}}") == list(built.values())


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
        if path.relative_to(ROOT).as_posix() not in ("shared/broker/keys.py", "shared/broker/job_keys.py")
        for line in path.read_text().splitlines()
        if SPELLED.search(line)
    ]
    assert found == []
