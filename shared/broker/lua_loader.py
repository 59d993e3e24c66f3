"""Put each Lua command (shared/jobs/lua/commands) together with what it includes.

A file names what it needs in its first line, `-- include: keys, records`. The server runs the whole text at each call,
and every definition in it costs a moment: so a script is given only those functions and constants of its includes that
it comes to name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

LUA = Path(__file__).parent.parent / "jobs" / "lua"
INCLUDE = re.compile(r"-- include: (.+)\n")
COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
WORD = re.compile(r"\w+")
ONE_LINE = r"local function (\w+)\(.* end\n"
MANY_LINES = r"local function (\w+)\(.*\)\n(?:(?!end\n).*\n)*end\n"  # to the first `end` that is not indented
VALUE = r"local ([A-Z_]+|\w+_key) = .*\n"  # of values only constants and keys, which do nothing
DEFINITION = re.compile(f"^{ONE_LINE}|^{MANY_LINES}|^{VALUE}", re.MULTILINE)


class IncludeError(ValueError):
    """Raised where a Lua file includes what does not exist, or itself by a detour."""


@dataclass(frozen=True)
class LuaScript:
    """Hold one command as it is sent to the server, and the SHA-1 that the server knows it by."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> LuaScript:
        return cls(text, hashlib.sha1(text.encode()).hexdigest())


@dataclass(frozen=True)
class Fragment:
    """Hold a definition, or, without a name, what stands between two."""

    text: str
    words: frozenset[str]
    name: str | None = None


@cache
def load_scripts(folder: Path = LUA) -> Mapping[str, LuaScript]:
    """Return every command with its includes, by name. Raises IncludeError."""
    names = sorted(path.stem for path in folder.glob("commands/*.lua"))
    return {name: LuaScript.of(script_text(name, folder)) for name in names}


def script_text(name: str, folder: Path = LUA) -> str:
    """Return a command's text after what it needs of its includes, each once and after those that it includes itself.

    Raises IncludeError.
    """
    found: dict[str, Sequence[Fragment]] = {}
    _collect(f"commands/{name}", folder, (), found)
    return "".join(fragment.text for fragment in _needed(list(chain.from_iterable(found.values()))))


def includes_of(text: str) -> list[str]:
    """Return the names that a file's first line includes, in their order."""
    match = INCLUDE.match(text)
    return [name.strip() for name in match[1].split(",")] if match else []


def _collect(file: str, folder: Path, above: tuple[str, ...], found: dict[str, Sequence[Fragment]]) -> None:
    """Add a file's pieces to `found`, those of its includes first; `above` are the files that led to it."""
    if file in above:
        raise IncludeError(f"circular include: {' -> '.join((*above[above.index(file) :], file))}")
    if file in found:
        return
    path = folder / f"{file}.lua"
    if not path.is_file():
        raise IncludeError(f"{above[-1] if above else 'the loader'} includes {file}, but there is no {path}")
    text = path.read_text()
    for include in includes_of(text):
        _collect(f"includes/{include}", folder, (*above, file), found)
    found[file] = _split(text)


@cache
def _split(text: str) -> Sequence[Fragment]:
    """Cut a file into its definitions and what stands between them, without comments that have their own line."""
    return tuple(_fragments(COMMENT.sub("", text)))


def _fragments(text: str) -> Iterator[Fragment]:
    at = 0
    for match in DEFINITION.finditer(text):
        yield _fragment(text[at : match.start()])
        yield _fragment(match[0], match[1] or match[2] or match[3])
        at = match.end()
    yield _fragment(text[at:])


def _fragment(text: str, name: str | None = None) -> Fragment:
    return Fragment(text, frozenset(WORD.findall(text)), name)


def _needed(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Leave out the definitions that nothing else comes to name."""
    named = {word for fragment in fragments if fragment.name is None for word in fragment.words}
    for fragment in reversed(fragments):  # a definition names only what stands before it, and itself
        if fragment.name in named:
            named |= fragment.words
    return [fragment for fragment in fragments if fragment.name is None or fragment.name in named]
