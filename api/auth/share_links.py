"""Open the links by which accounts share tasks: without a key, on behalf of whoever shared.

A link carries a token, in its query, which access logs leave out; it ends at its time, when it is withdrawn, with its
task, and with the key that it was made with.
"""

from __future__ import annotations

from flask import request

from api.auth.authenticate import speak_for
from api.auth.exposure import must_have_keys
from api.auth.keys import Keys
from shared.accounts.signed_urls import Signer
from shared.errors import LinkGone, NotFound, Unauthorized
from shared.jobs.kept_tasks import KeptTasks, Share
from shared.settings import Settings

PATH = "/shared"
TOKEN = "token"


class ShareLinks:
    """Write the addresses of links, and open them. All methods raise BrokerUnavailable."""

    def __init__(self, settings: Settings, keys: Keys, signer: Signer, kept_tasks: KeptTasks) -> None:
        self._settings = settings
        self._keys = keys
        self._signer = signer
        self._kept_tasks = kept_tasks

    def address(self, share: Share) -> str:
        """Return the path of the page that a share opens."""
        return f"{PATH}?{TOKEN}={self._signer.token_of(share.id)}"

    def open(self, token: str) -> Share:
        """Return the share whose token that is, and serve this request on its account's behalf.

        Raises NotFound for no token of ours, LinkGone for one that is over, and Unauthorized on a server that must not
        serve others before it has keys.
        """
        share_id = self._signer.share_of(token)
        if share_id is None:
            raise NotFound("there is no such link; ask whoever sent it for the whole address")
        try:
            share = self._kept_tasks.find_share(share_id)
        except NotFound:
            raise _gone() from None
        if self._keys.exist():
            if not self._keys.states.is_living(share.grant):
                raise _gone()
            speak_for(self._keys, share.grant, share.expires_at)
        elif must_have_keys([request.environ.get("SERVER_NAME", "")], self._settings):
            raise Unauthorized("this service has no API key yet, and serves nobody else until then")
        return share


def _gone() -> LinkGone:
    return LinkGone("this link has run out, or was withdrawn; ask whoever sent it for a new one")
