"""Scripts: the Lua transitions, loaded once and run by name. Owns how they are put together; knows no job."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError, ResponseError

from shared.broker.connection import translated

LUA = Path(__file__).parent / "lua"
PARTS = ("common", "standing", "line", "bounds", "after", "ends")  # before every script, in this order
READING = {"look": PARTS[:2], "places": PARTS[:2], "heads": PARTS[:1]}  # they are run most, and need little
NAMES = (
    *("submit", "claim", "renew", "complete", "fail", "give_back", "abandon", "cancel", "sweep"),
    *("look", "places", "pace", "purge", "adopt", "submit_batch", "look_batch", "cancel_batch"),
    *("submit_composition", "chunk", "heads"),
)
SHARED = {  # what only some scripts have before them
    "submit": ("arrive",),
    "submit_batch": ("arrive", "batch"),
    "submit_composition": ("arrive",),
    "look_batch": ("batch",),
    "cancel_batch": ("batch",),
}


class LuaScripts:
    """Each run is one round trip and one atomic step. Raises BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, root: str) -> None:
        self._client: Any = client
        self._root = root
        self._pool: Any = client.connection_pool
        self._scripts = {name: client.register_script(text_of(name)) for name in NAMES}

    def run(self, name: str, *args: str | int | float | bytes) -> Any:
        return self.run_before(name, args)[0]

    def run_before(self, name: str, args: Sequence[str | int | float | bytes], *commands: Sequence[Any]) -> list[Any]:
        """The script's answer, and those of plain commands that follow it in the same round trip."""
        script = self._scripts[name]
        with translated():
            try:
                return self._send(("EVALSHA", script.sha, 1, self._root, *args), *commands)
            except NoScriptError:  # a server that has not seen it yet, or was restarted
                return self._send(("EVAL", script.script, 1, self._root, *args), *commands)

    def run_commands(self, *commands: Sequence[Any]) -> list[Any]:
        """The answers of plain commands, in one round trip."""
        with translated():
            return self._send(*commands)

    def _send(self, *commands: Sequence[Any]) -> list[Any]:
        """Past the client's own layers, which take longer than the round trip itself."""
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
    """An answer, a bad one included: those that follow it are to be read too."""
    try:
        return connection.read_response(disconnect_on_error=True)
    except ResponseError as error:
        return error


@cache
def text_of(name: str) -> str:
    """A script with all that stands before it."""
    includes = (*READING.get(name, PARTS), *SHARED.get(name, ()))
    files = [*(f"includes/{include}" for include in includes), f"commands/{name}"]
    return "".join((LUA / f"{file}.lua").read_text() for file in files)
