"""Every Lua file is Lua, names what it includes and nothing else, and the server takes every script."""

from __future__ import annotations

import pytest
import redis

from shared.broker.lua_loader import includes_of, load_scripts
from tests.shared.lua_source import FILES, declared, parse, source, top_level, tree, used

# by Redis and its Lua 5.1
PROVIDED = {"ARGV", "KEYS", "cjson", "ipairs", "math", "redis", "string", "table", "tonumber", "tostring", "unpack"}
INCLUDES = [file for file in FILES if file.startswith("includes/")]


@pytest.mark.parametrize("file", FILES)
def test_every_file_parses(file: str) -> None:
    assert not tree(file).has_error


@pytest.mark.parametrize("name", load_scripts())
def test_every_script_parses_and_is_loaded_by_the_server(name: str, client: redis.Redis) -> None:
    script = load_scripts()[name]
    assert not parse(script.text).has_error
    assert client.script_load(script.text) == script.sha


def test_the_parser_sees_what_is_no_lua() -> None:
    assert parse("local function x( return end").has_error


@pytest.mark.parametrize("file", FILES)
def test_each_file_includes_what_it_names_and_names_what_it_includes(file: str) -> None:
    """So a list of includes is true, and no file builds on one that builds on it."""
    wanted = used(file) - declared(file) - PROVIDED
    given = {include: top_level(f"includes/{include}") for include in includes_of(source(file))}
    assert wanted <= set().union(*given.values()), "named, but not included"
    idle = {include for include, names in given.items() if not names & wanted}
    assert idle == set(), "included, but not named"


def test_whatever_an_include_defines_somebody_names() -> None:
    names = set().union(*(used(file) for file in FILES))
    idle = {(file, name) for file in INCLUDES for name in top_level(file) - names}
    assert idle == set()


def test_no_function_is_declared_before_it_is_defined() -> None:
    """An empty `local name` is how a ring of files would be closed."""
    empty = [
        (file, line)
        for file in INCLUDES
        for line in source(file).splitlines()
        if line.startswith("local ") and "=" not in line and not line.startswith("local function ")
    ]
    assert empty == []


def test_keys_are_spelled_in_one_file() -> None:
    assert [file for file in FILES if "root" in used(file)] == ["includes/keys"]
