"""The JavaScript package against the served API over a real broker; a thread plays the worker.

The package is laid where npm would put it, and its own tests (clients/js/test) and every example of its page and its
README run there, under Node.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from housekeeping.signing import make_headers
from shared.connection import connect
from shared.errors import BrokerUnavailable, StaleAttempt
from shared.job import Job, Stage
from shared.presence import Roster
from shared.settings import ROOT, Settings
from stack.broker import EmbeddedBroker
from stack.ports import free_port
from stack.processes import Program
from stack.services import what_is_missing
from tests.api.conftest import TINY
from tests.api.dialects.conftest import FAILING_PROMPT, Player
from tests.node import NODE
from tests.sounds import file_of, tone

SOURCE = ROOT / "clients" / "js"
PAGE = ROOT / "docs" / "clients" / "javascript.md"
SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
STEP_S = 0.05
NODE_TIMEOUT_S = 60.0
EXAMPLES = [
    pytest.param(text, id=f"{path.name}-{number}")
    for path in (PAGE, SOURCE / "README.md")
    for number, text in enumerate(re.findall(r"^```js\n(.*?)^```", path.read_text(), re.M | re.S), 1)
]


class Musician(Player):
    """Takes its time for what is asked for slowly or without end, and plays along only with a melody."""

    def _loop(self) -> None:
        while not self._stop.is_set():
            with suppress(BrokerUnavailable):  # a busy machine makes it late; the player is not to die of that
                super()._loop()

    def _play(self, job: Job) -> None:
        steps = {"slowly": 12, "without end": 200}.get(job.request.prompt, 0)
        try:
            for step in range(steps):
                self._store.renew(job, Stage.RUNNING, step, steps)
                time.sleep(STEP_S)
            if job.request.prompt == "play along" and job.request.melody is None:
                job = replace(job, request=job.request.model_copy(update={"prompt": FAILING_PROMPT}))
            super()._play(job)
        except StaleAttempt:
            pass


@dataclass
class Live:
    """The folder where the package is installed, and what its programs are told of the server."""

    folder: Path
    url: str
    environment: dict[str, str]

    @property
    def package(self) -> Path:
        return self.folder / "node_modules" / "musicgen-api"

    def node(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(NODE), *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=NODE_TIMEOUT_S,
        )


def install(folder: Path) -> None:
    """As npm would: the package's files, and what its `prepare` makes."""
    package = folder / "node_modules" / "musicgen-api"
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("dist", "node_modules"))
    subprocess.run([str(NODE), "build.mjs"], cwd=package, check=True, timeout=NODE_TIMEOUT_S)


def signed_webhook() -> dict[str, object]:
    """As the housekeeping process sends one, while one secret replaces the other."""
    body = json.dumps({"type": "task.completed", "timestamp": "2026-11-21T16:00:00.000Z", "data": {"task_id": "a"}})
    headers = make_headers(SECRETS, "msg_a", datetime.now(UTC), body.encode())
    return {"body": body, "headers": headers, "secrets": SECRETS}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("js")
    port = free_port()
    with EmbeddedBroker(folder / "broker") as broker:
        served = Settings(_env_file=None, redis_url=broker.url, local_storage_path=folder / "audio")  # type: ignore[call-arg]
        roster = Roster(connect(served), served.model_copy(update={"presence_ttl_s": 3600.0}))
        roster.announce(TINY)
        player, program = Musician(served), serve(served, port, folder)
        player.start()
        try:
            install(folder)
            (folder / "hum.wav").write_bytes(file_of(tone(440, 1.0), 32_000))
            (folder / "webhook.json").write_text(json.dumps(signed_webhook()))
            while what_is_missing(f"http://127.0.0.1:{port}/health/live"):
                assert program.is_running(), program.log_path.read_text()
                time.sleep(0.1)
            url = f"http://127.0.0.1:{port}"
            yield Live(folder, url, {"MUSICGEN_URL": url, "WEBHOOK_SECRET": SECRETS[0]})
        finally:
            program.stop()
            player.stop()


def serve(served: Settings, port: int, folder: Path) -> Program:
    environment = {
        "REDIS_URL": served.redis_url,
        "REDIS_TIMEOUT_S": "10",  # the machine may have other work
        "LOCAL_STORAGE_PATH": str(served.local_storage_path),
        "DEFAULT_MODEL": "tiny",
        "API_KEYS": "YOUR_KEY,ANOTHER_KEY",
        "WEB_CONCURRENCY": "1",
        "PYTHONPATH": str(ROOT),
    }
    config = str(ROOT / "stack" / "gunicorn.conf.py")
    command = [sys.executable, "-m", "gunicorn", "api.wsgi:app", "--config", config, "--bind", f"127.0.0.1:{port}"]
    program = Program("api", command, log_path=folder / "api.log", env=os.environ | environment, cwd=folder)
    program.start()
    return program


@pytest.mark.parametrize("name", sorted(path.name for path in (SOURCE / "test").glob("*.test.mjs")))
def test_the_packages_own_tests_pass_against_the_live_api(live: Live, name: str) -> None:
    run = live.node("--test-reporter=spec", live.package / "test" / name)  # as --test does, in a process less
    assert run.returncode == 0, run.stdout + run.stderr
    told = re.search(r"^ℹ pass (\d+)$", run.stdout, re.M)  # noqa: RUF001 - as Node writes it
    assert told, run.stdout
    assert int(told[1]) > 0, "no test ran"


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_runs_and_prints_what_it_says(live: Live, text: str) -> None:
    run = run_example(live, text)
    assert run.returncode == 0, run.stdout + run.stderr
    said = re.findall(r"// prints: (.*)$", text, re.M)
    assert [line for line in run.stdout.splitlines() if line in said] == said, run.stdout


def run_example(live: Live, text: str) -> subprocess.CompletedProcess[str]:
    """As it stands, but for the address. One that shows a webhook's receiver is given a webhook."""
    text = text.replace("http://localhost:8000", live.url)
    if "require(" in text:
        path, text = live.folder / "example.cjs", f"(async () => {{\n{text}\n}})();"
    else:
        path = live.folder / "example.mjs"
    if "export async function POST" in text:
        text += RECEIVE
    path.write_text(text)
    return live.node(path)


RECEIVE = """
import { readFileSync } from 'node:fs';
const { body, headers } = JSON.parse(readFileSync('webhook.json', 'utf8'));
const statuses = [];
for (const sent of [body, body + ' ']) {
  statuses.push((await POST(new Request('http://localhost/', { method: 'POST', headers, body: sent }))).status);
}
if (statuses.join() !== '204,401') throw new Error(`the receiver answered ${statuses}`);
"""


def test_003s_example_works_as_it_is_written(live: Live) -> None:
    """The document's, with the address of this server beside the key."""
    example = """
const MusicGenAPI = require('musicgen-api');

const client = new MusicGenAPI({apiKey: 'YOUR_KEY', baseUrl: 'http://localhost:8000/api/v1'});
const result = await client.generate({
  prompt: 'Jazz piano',
  duration: 30
});
console.log(JSON.stringify(result));
"""
    run = run_example(live, example)
    assert run.returncode == 0, run.stderr
    assert run.stderr == "", "a warning"
    result = json.loads(run.stdout)
    assert (result["status"], result["duration"]) == ("completed", 30.0)
    assert result["audio_url"].startswith(f"{live.url}/tasks/{result['task_id']}/audio?")
    assert result["metadata"]["prompt"] == "Jazz piano"


def test_the_types_name_exactly_what_the_package_exports(live: Live) -> None:
    program = "const m = await import('musicgen-api'); console.log(Object.keys(m).sort().join())"
    (live.folder / "names.mjs").write_text(program)
    exported = live.node("names.mjs").stdout.strip().split(",")
    declared = re.findall(r"^export (?:class|function) (\w+)", (SOURCE / "src" / "index.d.ts").read_text(), re.M)
    assert exported == sorted([*declared, "default"])


def test_the_package_needs_nothing_and_carries_its_licence() -> None:
    manifest = json.loads((SOURCE / "package.json").read_text())
    assert not [name for name in manifest if "ependencies" in name]
    assert manifest["license"] == "MIT"
    assert (SOURCE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    sources = "".join(path.read_text() for path in (SOURCE / "src").glob("*.js"))
    assert re.findall(r"from '([^.'][^']*)'|^import '", sources, re.M) == [], "something beside its own files"
