"""Make links to a finished job's audio, or read it into memory for documents that send it inside the response."""

from __future__ import annotations

from urllib.parse import urljoin

from flask import current_app, request

from api.auth.authenticate import current_auth, expect_key_still_good
from api.auth.rate_limits import count_link, count_served
from api.services.job_service import JobService, TaskState
from shared.accounts.signed_urls import Signer
from shared.errors import RateLimited, Unauthorized
from shared.jobs.job import Job, Result
from shared.jobs.task_response import audio_name
from shared.settings import Settings

MAX_ADDRESS_CHARS = 300  # a host's name has at most 253


def result_of(state: TaskState) -> Result:
    assert state.job.result is not None, "only completed jobs have links"
    return state.job.result


def own_address(settings: Settings) -> str:
    """Return the address that this request came to, for links that are sent later; empty where PUBLIC_URL is set.

    Also empty where it is too long for an address: the Host header may be anything.
    """
    address = request.url_root.rstrip("/")
    return "" if settings.public_url or len(address) > MAX_ADDRESS_CHARS else address


def absolute(settings: Settings, link: str) -> str:
    """Return a link with its host: PUBLIC_URL, or else the address that this request came to."""
    return urljoin((settings.public_url or request.url_root).rstrip("/") + "/", link.lstrip("/"))


def audio_url(job_service: JobService, job: Job, path: str) -> str:
    """Return the store's own link where it has such, otherwise `path` of this API.

    That too when the audio is over the month's allowance, or the key was disabled while this request waited: a
    poll goes on working, fetching says why not.
    """
    assert job.result is not None, "only completed jobs have links"
    try:
        expect_key_still_good()
        return store_link(job_service, job.id, job.result, audio_name(job)) or own(path)
    except (RateLimited, Unauthorized):
        return own(path)


def listed_url(job_service: JobService, job: Job, path: str) -> str:
    """Return an `audio_url` for one of many that nobody may ever fetch: counted when it is fetched, not before."""
    limited = current_auth().allowance.monthly_bytes is not None
    return own(path) if limited else audio_url(job_service, job, path)


def store_link(job_service: JobService, task_id: str, result: Result, name: str) -> str | None:
    """Return the store's own link, counted as served once in its lifetime; None where it has none. Raises RateLimited.

    No key can end it, so it lives shortly once keys exist, and not longer than the link by which this request came.
    """
    auth = current_auth()
    link = job_service.link(result, name, locked=auth.has_key, not_after=auth.link_expires_at)
    if link is not None:
        count_link(task_id, result.bytes)
    return link


def own(path: str, lifetime_s: int | None = None) -> str:
    """Return a path of this API to audio or events, signed once keys exist.

    Players and EventSource cannot send a key. It ends with the key of this request, and with the link by which that
    came.
    """
    auth = current_auth()
    if auth.grant is None:
        return path
    signer: Signer = current_app.extensions["signer"]
    return signer.sign(path, auth.grant, lifetime_s, auth.link_expires_at)


def audio_bytes(job_service: JobService, state: TaskState) -> bytes:
    """Return a clip's bytes, for a response that contains them.

    Raises NotFound when it is not stored any more, RateLimited when it is over the month's allowance, and
    Unauthorized when the key was disabled while this request waited.
    """
    expect_key_still_good()
    result = result_of(state)
    with job_service.blobs.open_result(result) as reader:
        count_served(result.bytes)
        return reader.read()
