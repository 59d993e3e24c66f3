"""Use the JavaScript package in Chromium, on a page of another origin than the API, which has keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.clients.js.conftest import Live, signed_webhook
from tests.clients.js.test_documentation import PAGE

pytestmark = [pytest.mark.xdist_group("js"), pytest.mark.slow]

SCRIPT = """async ({ url, text, given }) => {
  const api = await import('/node_modules/musicgen-api/src/index.js');
  const keyed = (options) => new api.MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: url, ...options });
  const until = async (holds) => {
    for (let tries = 0; tries < 200; tries += 1) {
      if (await holds()) return true;
      await new Promise((resume) => setTimeout(resume, 50));
    }
    return false;
  };
  const failure = (promise) => promise.then(() => null, (error) => ({ name: error.name, code: error.code, error }));
  const body = `return (async ({ api, client, keyed, until, failure, given }) => {${text}})(all)`;
  return new Function('all', body)({ api, client: keyed(), keyed, until, failure, given });
}"""


PAGES = re.findall(r"^```html\n(.*?)^```", PAGE.read_text(), re.M | re.S)


class Browsed:
    """Hold a page, and what it said on its console."""

    def __init__(self, page: Page, live: Live) -> None:
        self.page = page
        self.said: list[str] = []
        self.complaints: list[str] = []
        self._live = live
        page.on("console", lambda said: (self.complaints if said.type == "error" else self.said).append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def run(self, text: str, given: object = None) -> Any:
        """Return what the script returns; `client` in it has a key."""
        return self.page.evaluate(self._live.filled(SCRIPT), {"url": self._live.url, "text": text, "given": given})


@pytest.fixture
def browsed(browser: Browser, live: Live) -> Iterator[Browsed]:
    with browser.new_page() as page:
        page.goto(live.pages.origin)
        yield Browsed(page, live)


def test_a_page_makes_music_follows_it_plays_it_and_saves_it(browsed: Browsed, tmp_path: Path) -> None:
    with browsed.page.expect_download() as saving:
        told = browsed.run("""
            const task = await client.submit({ prompt: 'slowly', duration: 2, seed: 7 });
            const types = [];
            for await (const { type } of task) types.push(type);
            const clip = await task.wait();
            const player = Object.assign(document.createElement('audio'), { src: clip.audio_url });
            await new Promise((ready, failed) => Object.assign(player, { onloadedmetadata: ready, onerror: failed }));
            const { bytes, seed } = clip.metadata;
            const had = (await clip.bytes()).length;
            return { types, bytes, seed, had, plays: player.duration, name: await clip.save() };
        """)
    assert (told["types"][0], told["types"][-1]) == ("queued", "completed")
    assert "progress" in told["types"]
    assert (told["seed"], told["had"], told["plays"]) == (7, told["bytes"], 2.0)
    assert saving.value.suggested_filename == told["name"]
    saving.value.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").stat().st_size == told["bytes"]
    assert browsed.complaints == []


def test_files_batches_and_mixes_work_from_a_page(browsed: Browsed) -> None:
    told = browsed.run("""
        const hum = await (await fetch('/hum.wav')).blob();
        const sung = await client.generate({ prompt: 'play along', duration: 1, melody: new File([hum], 'hum.wav') });
        const batch = await client.generateBatch([{ prompt: 'one', duration: 1 }, { prompt: 'please fail' }]);
        const mix = await client.multiInstrument({ instruments: { a: 'piano', b: 'bass' }, duration: 1 });
        const seconds = Object.values(await mix.stems()).map((stem) => stem.duration);
        return { sung: sung.status, batch: batch.map((one) => one.status), seconds };
    """)
    assert told == {"sung": "completed", "batch": ["fulfilled", "rejected"], "seconds": [1, 1]}


def test_an_aborted_signal_cancels_the_task(browsed: Browsed) -> None:
    told = browsed.run("""
        const abort = new AbortController();
        let id;
        const onProgress = (event) => {
          id = event.data.task_id;
          if (event.type === 'started') abort.abort();
        };
        const options = { signal: abort.signal, onProgress };
        const { name } = await failure(client.generate({ prompt: 'without end' }, options));
        return [name, await until(async () => (await client.task(id).poll()).status === 'cancelled')];
    """)
    assert told == ["AbortError", True]


def test_sound_is_heard_while_it_is_made_begins_anew_and_is_cancelled_by_leaving(browsed: Browsed) -> None:
    told = browsed.run("""
        const stream = client.stream({ prompt: 'begins anew', duration: 2 });
        let [heard, restarts] = [[], 0];
        for await (const chunk of stream) {
          if (chunk.restart) [heard, restarts] = [[], restarts + 1];
          heard.push(...chunk.samples);
        }
        const file = new Int16Array((await (await stream.clip()).bytes()).slice(44).buffer);
        const left = client.stream({ prompt: 'without end', duration: 30 });
        let meanwhile;
        for await (const chunk of left) {
          meanwhile = (await left.task.poll()).status;
          break;
        }
        return {
          meanwhile, restarts, samples: heard.length, same: file.every((one, at) => one === heard[at]),
          cancelled: await until(async () => (await left.task.poll()).status === 'cancelled'),
        };
    """)
    assert told == {"meanwhile": "processing", "restarts": 1, "samples": 64_000, "same": True, "cancelled": True}


def test_errors_are_the_packages_own_and_carry_what_the_server_said(browsed: Browsed) -> None:
    told = browsed.run("""
        const bad = await failure(client.generate({ prompt: '', duration: -1 }));
        const { error: failed, ...failing } = await failure(client.generate({ prompt: 'please fail' }));
        const wrong = await failure(keyed({ apiKey: 'WRONG' }).submit({ prompt: 'a' }));
        const away = await failure(keyed({ baseUrl: 'http://127.0.0.1:9', maxRetries: 0 }).health());
        return {
          bad: [bad.name, bad.error.fields.map((fault) => fault.field).sort()],
          failing: [failing.name, failing.code, failed.task.status],
          wrong: [wrong.name, wrong.error.status],
          away: away.name,
        };
    """)
    assert told == {
        "bad": ["InvalidRequestError", ["duration", "prompt"]],
        "failing": ["TaskFailedError", "GENERATION_FAILED", "failed"],
        "wrong": ["AuthenticationError", 401],
        "away": "ConnectionError",
    }


def test_a_page_that_cors_origins_does_not_name_reads_nothing_and_is_told_so_once(browsed: Browsed, live: Live) -> None:
    browsed.page.goto(live.pages.other_origin)
    asked: list[str] = []
    browsed.page.on("request", lambda request: asked.append(f"{request.method} {request.url.removeprefix(live.url)}"))
    told = browsed.run("""
        const { name, code, error } = await failure(client.submit({ prompt: 'a' }));
        return [name, code, error.retryable, error.message];
    """)
    assert told[:3] == ["ConnectionError", "CORS_REFUSED", False]
    assert f"its origin, {live.pages.other_origin}, is not in the server's CORS_ORIGINS" in told[3]
    assert asked.count("POST /tasks") == 1, "it is not repeated"
    assert any("CORS" in complaint for complaint in browsed.complaints)


def test_a_server_that_is_away_is_not_taken_for_one_that_refuses_the_page(browsed: Browsed, live: Live) -> None:
    browsed.page.goto(live.pages.other_origin)
    told = browsed.run("""
        const { code, error } = await failure(keyed({ baseUrl: 'http://127.0.0.1:9', maxRetries: 0 }).health());
        return [code, error.retryable];
    """)
    assert told == ["NO_CONNECTION", True]


def test_a_webhook_is_verified_by_webcrypto(browsed: Browsed) -> None:
    told = browsed.run(
        """
        const { body, headers, secrets } = given;
        const { type } = await api.verifyWebhook({ body, headers: new Headers(headers), secret: secrets[1] });
        const changed = await failure(api.verifyWebhook({ body: body + ' ', headers, secret: secrets[0] }));
        return [type, changed.name, changed.code];
        """,
        signed_webhook(),
    )
    assert told == ["task.completed", "WebhookVerificationError", "NO_MATCH"]


@pytest.mark.parametrize("text", PAGES, ids=lambda text: re.findall(r"audio|Audio", text)[0])
def test_every_page_of_the_documentation_works(browsed: Browsed, live: Live, text: str) -> None:
    path = live.folder / "example.html"
    path.write_text("<!doctype html><link rel=icon href=data:,>" + live.filled(text))
    (last,) = re.findall(r"// prints: (.*)$", text, re.M)
    with browsed.page.expect_console_message(lambda said: said.text == last, timeout=30_000):
        browsed.page.goto(f"{live.pages.origin}/{path.name}")
    assert browsed.complaints == []
    if "<audio" in text:
        browsed.page.wait_for_function("document.querySelector('audio').currentTime > 0.3", timeout=30_000)
