"""Connect the command to the server that its options and the environment name."""

from __future__ import annotations

import os

from music_gen.errors import ConnectionFailed, MusicGenError
from music_gen.remote.client import APIClient
from music_gen.remote.transport import BASE_URL

CONNECT_RETRY_S = 3.0  # for how long a server that does not answer at all is tried


def connect(base_url: str | None, remedy: str = "") -> APIClient:
    """Connect; `remedy` is what else could be done where no server is.

    Raises ConnectionFailed at once, and not after a minute, where nothing answers at all.
    """
    key, url = address(base_url)
    try:
        with APIClient(key, url, retry_for_s=CONNECT_RETRY_S) as client:
            client.health()
    except ConnectionFailed as error:
        raise ConnectionFailed(
            f"no server answers at {url}: start it (make up), or name another with --base-url{remedy}"
        ) from error
    except MusicGenError:
        pass  # it is there; what it has to say, it says to the call that matters
    return APIClient(key, url)


def address(base_url: str | None) -> tuple[str | None, str]:
    """Return the key, if there is one, and the server's address."""
    key = os.environ.get("MUSIC_GEN_API_KEY") or None
    return key, base_url or os.environ.get("MUSIC_GEN_BASE_URL") or BASE_URL
