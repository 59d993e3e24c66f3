"""Jobs of all accounts are found by what an operator looks for, page by page and at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from shared.admin import job_listing
from shared.admin.job_listing import JobFilter, JobListing
from shared.jobs.job import Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from tests.submitting import submit_job


@pytest.fixture
def listing(client: redis.Redis) -> JobListing:
    return JobListing(client)


def found(listing: JobListing, wanted: JobFilter) -> list[str]:
    return [job.request.prompt for job in listing.page(wanted, 50).jobs]


def test_a_filter_takes_what_it_names_and_nothing_else(
    listing: JobListing, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    calm = submit_job(store, request_for(prompt="Calme PIANO d'été"), "tiny", account="studio")
    submit_job(store, request_for(prompt="fast drums"), "other", account="radio")
    store.cancel(calm.id)
    assert found(listing, JobFilter()) == ["fast drums", "Calme PIANO d'été"]
    for wanted in (
        JobFilter(status=Status.CANCELLED),
        JobFilter(model="tiny"),
        JobFilter(account="studio"),
        JobFilter(text="d'ete PIANO"),
        JobFilter(text=calm.id[:8].upper()),
        JobFilter(text="ÉTÉ", account="studio", since=calm.created_at - 1),
    ):
        assert found(listing, wanted) == ["Calme PIANO d'été"], wanted
    for wanted in (JobFilter(text="flute"), JobFilter(account="studio", model="other"), JobFilter(since=4e9)):
        assert found(listing, wanted) == [], wanted


def test_pages_follow_each_other_and_reading_stops_at_its_bound(
    listing: JobListing, store: JobStore, request_for: Callable[..., MusicRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        submit_job(store, request_for(prompt=f"tune {number}"), "tiny")
    monkeypatch.setattr(job_listing, "READ_AT_ONCE", 2)
    seen, before = [], None
    for _ in range(4):
        page = listing.page(JobFilter(), 2, before)
        seen += [job.request.prompt[-1] for job in page.jobs]
        before = page.next_before
    assert (seen, before) == (list("6543210"), None)
    monkeypatch.setattr(job_listing, "READ_AT_MOST", 4)
    page = listing.page(JobFilter(text="tune 0"), 2)
    assert (page.jobs, page.next_before) == ((), 4), "the three first ones are left to read"
    assert [job.request.prompt for job in listing.page(JobFilter(text="tune 0"), 2, page.next_before).jobs] == [
        "tune 0"
    ]


def test_what_is_purged_or_has_expired_is_listed_no_more(
    listing: JobListing, store: JobStore, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    purged, expired = (submit_job(store, request_for(), "tiny") for _ in range(2))
    store.cancel(purged.id)
    store.purge(purged.id)
    assert client.zcard("ostinato:jobs") == 1
    client.delete(f"ostinato:job:{expired.id}")
    assert listing.page(JobFilter(), 10).jobs == ()
    assert client.zcard("ostinato:jobs") == 0


def test_the_list_keeps_only_the_last_hundred_thousand(
    store: JobStore, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    client.zadd("ostinato:jobs", {f"old{number}": number for number in range(100_001)})
    client.set("ostinato:places", 100_100)
    submit_job(store, request_for(), "tiny")
    assert client.zcard("ostinato:jobs") == 100_002
    client.set("ostinato:places", 100_095 - 100_095 % 256 + 255)
    submit_job(store, request_for(), "tiny")
    assert client.zcard("ostinato:jobs") == 100_000
