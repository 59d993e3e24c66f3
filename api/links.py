"""Links to a finished job's audio, and the audio itself in memory for documents that send it inside the answer."""

from __future__ import annotations

from urllib.parse import urljoin

from flask import current_app, g, request

from api.account import current_account
from api.core import Core, View
from api.signing import Signer
from shared.job import Result
from shared.settings import Settings


def file_name(view: View) -> str:
    """`<task id>.<extension>`, as the store keeps it."""
    return f"{view.job.id}.{result_of(view).key.rpartition('.')[2]}"


def result_of(view: View) -> Result:
    assert view.job.result is not None, "only completed jobs have links"
    return view.job.result


def absolute(settings: Settings, link: str) -> str:
    """PUBLIC_URL, or else the address that this request came to, before a link that is not whole by itself."""
    return urljoin((settings.public_url or request.url_root).rstrip("/") + "/", link.lstrip("/"))


def audio_url(core: Core, view: View, path: str, name: str | None = None) -> str:
    """The store's own link where it has such, otherwise `path` of this API."""
    return core.link(result_of(view), name or file_name(view)) or own(path)


def own(path: str) -> str:
    """A path of this API that leads to audio: signed once keys exist, since players cannot send one."""
    if not g.get("keys_exist"):
        return path
    signer: Signer = current_app.extensions["signer"]
    return signer.sign(path, current_account())


def audio_bytes(core: Core, view: View) -> bytes:
    """Raises BlobMissing when the retention time is over."""
    with core.storage.open(result_of(view).key) as reader:
        return b"".join(reader)
