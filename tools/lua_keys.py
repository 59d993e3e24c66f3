"""Write the keys that the Lua scripts name from `RedisKeys`: `python -m tools.lua_keys`."""

from __future__ import annotations

import inspect
import re

from shared.broker.keys import RedisKeys
from shared.broker.lua_loader import LUA

FILE = LUA / "includes" / "keys.lua"
HEAD = """\
-- Names the keys. Written by `python -m tools.lua_keys` from shared/broker/keys.py, which says what each holds.
-- KEYS[1] is the root of the names, "ostinato".
local root = KEYS[1]
"""


def families() -> list[str]:
    """Return the names of all families of keys, in the order in which they are declared."""
    members = [pair for kind in reversed(RedisKeys.__mro__) for pair in vars(kind).items()]
    return [name for name, member in members if inspect.isfunction(member) and name[0] != "_"]


def text() -> str:
    """Return the file as it should be: a line for each family that some other Lua file names."""
    named = {word for path in LUA.rglob("*.lua") if path != FILE for word in re.findall(r"\w+", path.read_text())}
    return HEAD + "".join(f"{line_of(family)}\n" for family in families() if f"{family}_key" in named)


def line_of(family: str) -> str:
    """Return the line of Lua that builds a family's keys."""
    build = getattr(RedisKeys("root"), family)
    names = list(inspect.signature(build).parameters)
    split = re.split("<(.*?)>", build(*(f"<{name}>" for name in names)).removeprefix("root"))
    joined = " .. ".join(["root", *(text if n % 2 else f"'{text}'" for n, text in enumerate(split) if text)])
    if not names:
        return f"local {family}_key = {joined}"
    return f"local function {family}_key({', '.join(names)}) return {joined} end"


if __name__ == "__main__":
    FILE.write_text(text())
