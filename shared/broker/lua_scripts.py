"""Run the Lua scripts (shared/jobs/lua) by name: each run is one round trip and one atomic step. Knows no job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import NoScriptError, ResponseError

from shared.broker.connection import translated
from shared.broker.lua_loader import load_scripts


class LuaScripts:
    """Run the Lua scripts. All methods raise BrokerUnavailable when Redis does not answer in time."""

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
            replies = [_read(connection) for _ in commands]
        except BaseException:  # a greenlet may be stopped anywhere: nobody else must read these answers
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)
        if bad := next((reply for reply in replies if isinstance(reply, ResponseError)), None):
            try:
                raise bad
            finally:  # a frame that holds its own error would keep all its callers' frames, and what these hold
                del bad, replies
        return replies


def _read(connection: Any) -> Any:
    """Read an answer, a bad one included: those that follow it are to be read too."""
    try:
        return connection.read_response(disconnect_on_error=True)
    except ResponseError as error:
        return error
