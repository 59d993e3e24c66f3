"""All that an operator sees and settles on the page at /admin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
import redis
from playwright.sync_api import Page, expect

from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.errors import GenerationFailed
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.webhooks.delivery_queue import DeliveryQueue, State, Try
from tests.api.conftest import TINY
from tests.api.served import Served
from tests.page.axe import BY_AXE, faults, faults_in_both_lights
from tests.page.conftest import PHONE, REFUSALS, Visit
from tests.submitting import submit_job

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]


def press(page: Page, button: str, about: str) -> None:
    """Press a button that asks once, and say yes."""
    page.get_by_role("button", name=f"{button} {about}", exact=True).first.click()
    page.get_by_role("button", name=f"Yes, {button} {about}", exact=True).click()


@pytest.mark.usefixtures("worker")
def test_an_operator_sees_and_settles_all_of_it(
    open_page: Callable[..., Visit],
    unlocked: Served,
    store: JobStore,
    client: redis.Redis,
    settings: Settings,
    request_for: Callable[..., MusicRequest],
) -> None:
    client.lpush(RedisKeys(ROOT_KEY).worker_throughput("w1"), "5000:2000")  # ms of music, ms of work
    hook = json.dumps({"url": "https://receiver.example/", "lane": "receiver.example", "events": ["failed"]})
    dead = submit_job(store, request_for(prompt="dies each time"), "tiny", account="studio", webhook=hook)
    while (job := store.claim("tiny", "w2")) is not None:
        client.zadd("ostinato:leases", {job.id: 1})
        store.reap()
    (owed,) = (deliveries := DeliveryQueue(client, settings)).claim(5)
    deliveries.settle(owed, owed.delivery.after(Try(owed.at, 0.25, 500), State.PENDING, owed.at + 60))
    waits = submit_job(store, request_for(prompt="waits in line", priority="low"), "tiny", account="radio")
    submit_job(store, request_for(prompt="fails at times"), "tiny", account="fails")
    visit = open_page("/admin", url=unlocked.url, allowed=BY_AXE)
    page = visit.page
    overviews(page)
    assert faults(page) == []
    press(page, "Drain", "w1")
    expect(page.locator("#workers")).to_contain_text("drained")
    assert store.reader.is_drained("w1")
    page.get_by_role("button", name="Undrain w1").click()
    expect(page.get_by_role("button", name="Yes, Undrain w1")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Undrain w1", exact=True)).to_be_focused()
    assert store.reader.is_drained("w1"), "asked once, and not done"
    press(page, "Undrain", "w1")
    expect(page.locator("#workers")).to_contain_text("ready")
    tasks = page.locator("#tasks")
    tasks.get_by_label("Account").fill("studio")
    expect(tasks.locator("tbody tr")).to_have_count(1)
    tasks.get_by_role("button", name="dies each time", exact=True).click()
    expect(tasks.locator(".story")).to_contain_text(f"{dead.id}")
    expect(tasks.locator(".story")).to_contain_text("attempts 1 w2 lost: WORKER_LOST; 2 w2")
    expect(tasks.locator(".story tbody")).to_contain_text("requeued")
    expect(tasks.locator(".story tbody")).to_contain_text("webhook failedanswered 500 within 0.25 s")
    assert faults(page) == []
    press(page, "Run again", "dies each time")
    expect(page.locator("#dead-letters")).to_contain_text("none")
    retry(visit, store)
    tasks.get_by_label("Account").fill("radio")
    press(page, "Cancel", "waits in line")
    expect(tasks.locator("tbody")).to_contain_text("cancelled")
    assert store.reader.get(waits.id).status == "cancelled"
    expect(page.locator("#audit tbody tr")).to_have_count(6)
    keys(visit)
    page.set_viewport_size(PHONE)
    tasks.get_by_label("Account").fill("studio")
    tasks.get_by_role("button", name="dies each time", exact=True).last.click()
    expect(tasks.locator(".story")).to_contain_text(f"{dead.id}")
    assert faults_in_both_lights(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    phone = open_page("/admin", url=unlocked.url, allowed=REFUSALS, viewport=PHONE, color_scheme="dark").page
    expect(phone.get_by_role("alert")).to_contain_text("no API key")
    assert faults(phone) == []


def overviews(page: Page) -> None:
    """See the workers, what waits by model, priority and account, and the four charts."""
    cells = page.locator("#workers tbody tr").locator("th, td")
    expected = ["w1", "ready", TINY.model, TINY.device, TINY.precision, f"0 of {TINY.slots}", "2.5"]
    expect(cells).to_contain_text([*expected, "", "ago", "Drain"])
    lines, accounts = page.locator("#queue tbody").all()
    expect(lines.locator("tr").locator("th, td")).to_contain_text(["tiny", "0", "1", "1", "0", "0", "0", " s"])
    expect(accounts.locator("tr")).to_contain_text(["fails", "radio"])
    charts = page.locator(".chart")
    expect(charts).to_contain_text([re.compile("Queue.*2 waiting"), "Waiting time", "Throughput", "Music"])
    for chart in charts.all():
        expect(chart.get_by_role("img")).to_have_accessible_name(re.compile("minute by minute over the last hour"))


def fail(store: JobStore, account: str) -> None:
    """Let that account's jobs fail for good, and nobody else's begin."""
    others = []
    while (job := store.claim("tiny", "w2")) is not None:
        if job.account == account:
            store.fail(job, GenerationFailed("no music"))
        else:
            others.append(job)
    for job in others:
        store.requeue(job)


def retry(visit: Visit, store: JobStore) -> None:
    """Let a task fail that is no dead letter, and run it again: from the list, and its copy from that one's story."""
    tasks = visit.page.locator("#tasks")
    fail(store, "fails")
    tasks.get_by_label("Account").fill("fails")
    tasks.get_by_label("Status").select_option("failed")
    rows = tasks.locator("tbody > tr")
    expect(rows).to_have_count(1)
    (first,) = store.reader.recent("fails", limit=9)
    press(visit.page, "Run again", "fails at times")
    expect(visit.page.get_by_role("status")).to_contain_text(f"Done: Run again {first.id}")
    copy = store.reader.get(first.id).retried_as
    rows.get_by_role("button", name="fails at times", exact=True).click()
    expect(tasks.locator(".story")).to_contain_text(f"runs again as {copy}")
    expect(rows.first.get_by_role("button", name="Run again")).to_have_count(0)
    expect(tasks.locator(".story").get_by_role("button", name="Run again fails at times")).to_have_count(1)
    fail(store, "fails")
    expect(tasks.get_by_role("button", name="fails at times", exact=True)).to_have_count(2)
    assert faults(visit.page) == []
    tasks.get_by_role("button", name="fails at times", exact=True).first.click()
    expect(tasks.locator(".story")).to_contain_text(f"again for {first.id}")
    story = tasks.locator(".story")
    story.get_by_role("button", name="Run again fails at times", exact=True).click()
    story.get_by_role("button", name="Yes, Run again fails at times", exact=True).click()
    expect(story).to_contain_text("runs again as")
    tasks.get_by_label("Status").select_option("")


def keys(visit: Visit) -> None:
    """Make the first key, which is the operator's, go on with it, and make and end another one."""
    page = visit.page
    form = page.locator("#keys")
    form.get_by_text("Make a key").first.click()
    expect(form.get_by_label("for an operator")).to_be_disabled()
    form.get_by_label("Name").fill("ops")
    form.get_by_role("button", name="Make a key").click()
    secret = page.locator(".secret").inner_text()
    assert secret.startswith("ost_")
    assert faults(page) == []
    page.get_by_role("button", name="Use it here").click()
    expect(form.locator("tbody")).to_contain_text("admin")
    assert secret not in page.content()
    form.get_by_label("Name").fill("studio")
    form.get_by_label("for an operator").uncheck()
    form.get_by_label("Submissions a minute").fill("0")
    form.get_by_role("button", name="Make a key").click()
    expect(page.get_by_role("status")).to_contain_text("send a whole number from 1")
    form.get_by_label("Submissions a minute").fill("5")
    form.get_by_role("button", name="Make a key").click()
    page.get_by_role("button", name="I have kept it").click()
    expect(form.locator("tbody")).to_contain_text("0 / 5")
    press(page, "Disable", "studio")
    expect(form.locator("tbody")).to_contain_text("disabled")
    expect(page.locator("#audit")).to_contain_text("disable key")
    assert all(secret not in url for url in visit.asked)
    words = "400 (BAD REQUEST)", "401 (UNAUTHORIZED)"  # the browser's own, when the key was not there yet
    visit.complaints[:] = [said for said in visit.complaints if not any(each in said for each in words)]
