"""Install the packages as their users do, and make music with them on the real stack: submit, poll, download."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
import soundfile

from shared.settings import ROOT
from tests.e2e.conftest import Stack
from tools.environments import make_environment
from tools.node import NODE, npm

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

PINS = [f"-c{ROOT}/requirements/{name}.txt" for name in ("api", "embedded")]
PYTHON = """
import os, time
from music_gen import APIClient

with APIClient(base_url=os.environ["URL"]) as client:
    task = client.submit("calm piano", 1, seed=5)
    while not task.ended:
        time.sleep(0.1)
        task = client.get(task)
    client.download(task).save("clip.wav")
"""
IN_NODE = """
const client = new MusicGenAPI({ baseUrl: process.env.URL });
(async () => {
  const task = await client.submit({ prompt: 'calm piano', duration: 1, seed: 5 });
  while ((await task.poll()).status === 'processing') await new Promise((resume) => setTimeout(resume, 100));
  const clip = await task.wait();
  await clip.save('clip.wav');
})();
"""
IN_NODE_BY = {
    "import.mjs": "import MusicGenAPI, { Task } from 'musicgen-api';\n",
    "require.cjs": "const MusicGenAPI = require('musicgen-api');\nconst { Task } = MusicGenAPI;\n",
}


def run(stack: Stack, program: Path, script: str, folder: Path) -> bytes:
    """Run a script that leaves clip.wav; return that file."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(program), script],
        cwd=folder,
        env={**environment, "URL": stack.services.url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "clip.wav").read_bytes()


def test_the_wheel_makes_music_from_an_environment_of_its_own(stack: Stack, wheel: Path, tmp_path: Path) -> None:
    python = make_environment(tmp_path / "environment", [wheel, *PINS])
    (tmp_path / "make.py").write_text(PYTHON)
    assert soundfile.info(io.BytesIO(run(stack, python, "make.py", tmp_path))).duration == 1.0


@pytest.mark.parametrize("script", IN_NODE_BY)
def test_the_tarball_makes_music_by_import_and_by_require(
    stack: Stack, tarball: Path, tmp_path: Path, script: str
) -> None:
    (tmp_path / "package.json").write_text("{}")
    npm("install", "--offline", tarball, folder=tmp_path)
    assert list(json.loads((tmp_path / "package.json").read_text())["dependencies"]) == ["musicgen-api"]
    assert [path.name for path in (tmp_path / "node_modules").iterdir() if path.is_dir()] == ["musicgen-api"]
    (tmp_path / script).write_text(IN_NODE_BY[script] + IN_NODE)
    assert soundfile.info(io.BytesIO(run(stack, NODE, script, tmp_path))).duration == 1.0
