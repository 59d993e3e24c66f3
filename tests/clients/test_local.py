"""MusicGenerator with the shipped model, in a process of its own: no broker, no server, and their libraries blocked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.clients.conftest import PACKAGE
from tests.clients.test_documentation import examples
from tests.sounds import file_of, tone

pytestmark = pytest.mark.xdist_group("engine of the client")
BLOCKED = ("redis", "celery", "kombu", "flask", "gevent", "boto3")
BEFORE = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Block())
"""
# `generator` is still open here: the page's example, up to its last line
CHECKS = """
import json
from music_gen import errors
told = []
again = generator.generate("calm piano", duration=1.0, temperature=0.8, seed=7, on_progress=told.append)
hummed = generator.generate(melody="hum.wav", duration=0.5)
refused = {}
try:
    generator.generate("", -1, top_p=7)
except errors.InvalidRequest as error:
    refused = error.fields
print(json.dumps({
    "same": bool((again.numpy() == audio.numpy()).all()),
    "batch": [clip.prompt for clip in both],
    "shape": audio.numpy().shape,
    "rate": audio.sample_rate_hz,
    "told": told[-1],
    "drawn": hummed.seed,
    "refused": sorted(refused),
}))
"""


def test_the_pages_local_example_makes_music_and_the_same_again_without_any_server(tmp_path: Path) -> None:
    (tmp_path / "hum.wav").write_bytes(file_of(tone(330, 1.0), 32_000))
    (example,) = examples("python local")
    body, closing = re.fullmatch(r"(.*\n)(generator\.close\(\)\n)", example, re.DOTALL).groups()  # type: ignore[union-attr]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", BEFORE + body + CHECKS + closing]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("drawn") >= 0
    assert told == {
        "same": True,
        "batch": ["calm piano", "fast drums"],
        "shape": [1, told["rate"]],
        "rate": told["rate"],
        "told": 100.0,
        "refused": ["duration", "prompt", "top_p"],
    }
    info = soundfile.info(tmp_path / "output.wav")
    assert (info.format, info.frames) == ("WAV", told["rate"])
