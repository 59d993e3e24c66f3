"""Open the real stack in a browser: music that plays while it is made, the JavaScript package, and /docs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from shared.settings import ROOT
from tests.browser.pages import Pages
from tests.e2e.conftest import Stack
from tools.node import NODE

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

NODE_TIMEOUT_S = 120.0
LISTEN_S = 0.3  # of playing, before it is asked how the task stands
DOCUMENT = (ROOT / "docs" / "streaming.md").read_text()
PLAY = """async (url) => {
  const { MusicGenAPI } = await import('/src/index.js');
  const client = new MusicGenAPI({ baseUrl: url });
  const task = await client.submit({ prompt: 'calm piano', duration: 30, stream: true });
  const player = document.body.appendChild(document.createElement('audio'));
  player.src = task.streamUrl('wav');
  await player.play();
  return task.id;
}"""
HEARD = """async (listenS) => {
  const player = document.querySelector('audio');
  const times = [player.currentTime];
  const end = times[0] + listenS;
  const giveUpAt = performance.now() + 60_000;
  while (times.at(-1) < end && !player.error && performance.now() < giveUpAt) {
    await new Promise((resume) => setTimeout(resume, 20));
    times.push(player.currentTime);
  }
  return { times, paused: player.paused, error: player.error && player.error.message };
}"""
WHOLE = """async (url) => {
  const player = new Audio(url);
  return new Promise((resolve) => {
    player.onended = () => resolve({ seconds: player.duration, heard: player.currentTime });
    player.onerror = () => resolve({ error: player.error.message });
    player.play();
  });
}"""
# the same in a page and under Node: `api` is the package
USE = """
const client = new api.MusicGenAPI({ baseUrl: url });
const stream = client.stream({ prompt: 'calm piano', duration: 2, seed: 5 });
const samples = [];
for await (const chunk of stream) samples.push(...chunk.samples);
const clip = await stream.clip();
const file = [];
for await (const chunk of client.task(clip.task_id).listen()) file.push(...chunk.samples);
const bytes = (await clip.bytes()).length;
const further = await client.generate({ continue_from: clip, duration: 3, seed: 6 });
const instruments = { piano: 'calm piano', bass: 'bass line' };
const mix = await client.multiInstrument({ instruments, duration: 1, seed: 7 });
return {
  samples: samples.length, same: file.length === samples.length && file.every((one, at) => one === samples[at]),
  whole: bytes === clip.metadata.bytes,
  further: further.duration, mix: mix.duration, stems: Object.keys(await mix.stems()),
};
"""
MADE = {
    "samples": 64_000,
    "same": True,
    "whole": True,
    "further": 3,
    "mix": 1,
    "stems": ["piano", "bass"],
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_page() as opened:
        yield opened


def expect_playing(stack: Stack, page: Page, task_id: str) -> None:
    """Expect the element's time to go by while its task runs. The rest is not waited for."""
    heard = page.evaluate(HEARD, LISTEN_S)
    task = stack.task(task_id)
    stack.http.delete(f"/tasks/{task_id}")
    print(f"plays at {heard['times'][-1]:.2f} s when {task['progress']} % are made")
    assert heard["error"] is None
    assert heard["paused"] is False
    assert heard["times"][-1] >= heard["times"][0] + LISTEN_S
    assert len(set(heard["times"])) > 3, "it advances"
    assert (task["status"], task["stage"]) == ("processing", "running")
    assert task["progress"] < 100


@pytest.mark.parametrize("name", ["mp3", "wav", "ogg"])
def test_the_documents_audio_element_plays_before_the_task_has_completed(stack: Stack, page: Page, name: str) -> None:
    """Play the element of docs/streaming.md, with a longer clip."""
    (example,) = re.findall(r"^```html\n(.*?)^```", DOCUMENT, re.M | re.S)
    page.goto(f"{stack.services.url}/health/live")
    page.set_content(example.replace('"mp3"', f'"{name}"').replace("duration: 10", "duration: 30"))
    with page.expect_response("**/tasks") as submitting:
        page.evaluate("play('calm piano')")
    task = submitting.value.json()
    assert task["output_format"] == name
    expect_playing(stack, page, task["task_id"])


@pytest.mark.parametrize(("name", "before_and_behind_s"), [("m4a", 0.0), ("aac", 0.064)])
def test_an_audio_element_plays_aac_and_an_m4a_for_exactly_as_long_as_its_music(
    stack: Stack, page: Page, name: str, before_and_behind_s: float
) -> None:
    task = stack.finish(stack.submit(seed=1, output_format=name))
    page.goto(f"{stack.services.url}/health/live")
    played = page.evaluate(WHOLE, task["audio_url"])
    assert "error" not in played
    assert 0 <= played["seconds"] - task["duration"] <= before_and_behind_s
    assert played["heard"] == played["seconds"]


def test_so_does_one_on_a_page_from_elsewhere(stack: Stack, page: Page, pages: Pages) -> None:
    page.goto(pages.origin)
    expect_playing(stack, page, page.evaluate(PLAY, stack.services.url))


def test_the_package_streams_goes_on_and_mixes_in_a_page(stack: Stack, page: Page, pages: Pages) -> None:
    page.goto(pages.origin)
    use = f"async (url) => {{ const api = await import('/src/index.js');\n{USE}\n}}"
    assert page.evaluate(use, stack.services.url) == MADE


def test_the_package_does_the_same_under_node(stack: Stack, tmp_path: Path) -> None:
    package = (ROOT / "clients" / "js" / "src" / "index.js").as_uri()
    made = f"(async (api, url) => {{\n{USE}\n}})(api, '{stack.services.url}')"
    program = f"import * as api from '{package}';\nconsole.log(JSON.stringify(await {made}));"
    command = [str(NODE), "--input-type=module", "-e", program]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=NODE_TIMEOUT_S)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == MADE


def test_the_docs_page_shows_and_tries_every_operation_and_asks_nobody_else(stack: Stack, page: Page) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{stack.services.url}/docs")
    page.wait_for_selector(".opblock")
    document = stack.http.get("/openapi.json").json()
    described = document["paths"] | document["webhooks"]
    assert page.locator(".opblock").count() == sum(len(methods) for methods in described.values()) > 30
    submit, models = (page.locator(f".opblock[id$={name}]") for name in ("-submitTask", "-listModels"))
    submit.locator(".opblock-summary").click()
    submit.get_by_text("The same key and the same request is the same task").wait_for()
    assert "slow sad piano in A minor" in submit.locator(".body-param__example").inner_text()
    models.locator(".opblock-summary").click()
    models.get_by_role("button", name="Try it out").click()
    models.get_by_role("button", name="Execute").click()
    answer = models.locator(".live-responses-table")
    answer.wait_for()
    assert "200" in answer.locator(".response-col_status").last.inner_text()
    assert '"tiny"' in answer.inner_text()
    assert page.locator(".errors-wrapper").count() == 0
    assert [url for url in asked if not url.startswith((stack.services.url, "data:"))] == []
    assert complaints == []
