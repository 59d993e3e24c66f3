"""Load the Lua scripts (shared/jobs/lua), put each together with its includes, and run them by name.

A file names what it needs in its first line, `-- include: keys, records`. Every other line of a script is what the
server runs at each call, so a script holds nothing that it does not name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError, ResponseError

from shared.broker.connection import translated

LUA = Path(__file__).parent.parent / "jobs" / "lua"
INCLUDE = re.compile(r"-- include: (.+)\n")


class IncludeError(ValueError):
    """A Lua file includes what does not exist, or itself by a detour."""


@dataclass(frozen=True)
class LuaScript:
    """One command as it is sent to the server, and the SHA-1 that the server knows it by."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> LuaScript:
        return cls(text, hashlib.sha1(text.encode()).hexdigest())


class LuaScripts:
    """Each run is one round trip and one atomic step. Raises BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, root: str) -> None:
        self._root = root
        self._pool: Any = client.connection_pool
        self._scripts = load_scripts()  # now: a process must not meet files that are newer than itself

    def run(self, name: str, *args: str | int | float | bytes) -> Any:
        return self.run_before(name, args)[0]

    def run_before(self, name: str, args: Sequence[str | int | float | bytes], *commands: Sequence[Any]) -> list[Any]:
        """Return the script's answer, and those of plain commands that follow it in the same round trip."""
        script = self._scripts[name]
        with translated():
            try:
                return self._send(("EVALSHA", script.sha, 1, self._root, *args), *commands)
            except NoScriptError:  # a server that has not seen it yet, or was restarted
                return self._send(("EVAL", script.text, 1, self._root, *args), *commands)

    def run_commands(self, *commands: Sequence[Any]) -> list[Any]:
        """Return the answers of plain commands, in one round trip."""
        with translated():
            return self._send(*commands)

    def _send(self, *commands: Sequence[Any]) -> list[Any]:
        """Send them past the client's own layers, which take longer than the round trip itself."""
        connection = self._pool.get_connection()
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            answers = [_read(connection) for _ in commands]
        except BaseException:  # a greenlet may be stopped anywhere: nobody else must read these answers
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)
        if bad := next((answer for answer in answers if isinstance(answer, ResponseError)), None):
            try:
                raise bad
            finally:  # a frame that holds its own error would keep all its callers' frames, and what these hold
                del bad, answers
        return answers


def _read(connection: Any) -> Any:
    """Read an answer, a bad one included: those that follow it are to be read too."""
    try:
        return connection.read_response(disconnect_on_error=True)
    except ResponseError as error:
        return error


@cache
def load_scripts(folder: Path = LUA) -> Mapping[str, LuaScript]:
    """Return every command with its includes, by name. Raises IncludeError."""
    names = sorted(path.stem for path in folder.glob("commands/*.lua"))
    return {name: LuaScript.of(script_text(name, folder)) for name in names}


def script_text(name: str, folder: Path = LUA) -> str:
    """Return a command's text after that of its includes, each once and after those that it includes itself.

    Raises IncludeError.
    """
    found: dict[str, str] = {}
    _collect(f"commands/{name}", folder, (), found)
    return "".join(found.values())


def _collect(file: str, folder: Path, above: tuple[str, ...], found: dict[str, str]) -> None:
    """Add a file's text to `found`, what it includes first; `above` are the files that led to it."""
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
    found[file] = text


def includes_of(text: str) -> list[str]:
    """Return the names that a file's first line includes, in their order."""
    match = INCLUDE.match(text)
    return [name.strip() for name in match[1].split(",")] if match else []
