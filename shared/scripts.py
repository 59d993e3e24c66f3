"""Scripts: the Lua transitions, loaded once and run by name. Owns how they are put together; knows no job."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError

from shared.connection import translated

LUA = Path(__file__).parent / "lua"
PARTS = ("common", "line", "bounds", "ends")  # before every script, in this order
NAMES = (
    *("submit", "claim", "renew", "complete", "fail", "give_back", "abandon", "cancel", "sweep"),
    *("look", "places", "pace", "purge", "adopt", "submit_batch", "look_batch", "cancel_batch"),
)
SHARED = {  # what only some scripts have before them
    "submit": ("arrive",),
    "submit_batch": ("arrive", "batch"),
    "look_batch": ("batch",),
    "cancel_batch": ("batch",),
}


class Scripts:
    """Each run is one round trip and one atomic step. Raises BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, root: str) -> None:
        self._client: Any = client
        self._root = root
        self._scripts = {name: client.register_script(text_of(name)) for name in NAMES}

    def run(self, name: str, *args: str | int | float) -> Any:
        script = self._scripts[name]
        with translated():
            try:
                return self._send("EVALSHA", script.sha, 1, self._root, *args)
            except NoScriptError:  # a server that has not seen it yet, or was restarted
                return self._send("EVAL", script.script, 1, self._root, *args)

    def _send(self, *command: Any) -> Any:
        """Past the client's own layers, which take longer than the round trip itself."""
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_command(*command)
            return connection.read_response(disconnect_on_error=True)
        finally:
            pool.release(connection)


@cache
def text_of(name: str) -> str:
    """A script with all that stands before it."""
    return "".join((LUA / f"{part}.lua").read_text() for part in (*PARTS, *SHARED.get(name, ()), name))
