"""Make a piece for three instruments through API, queue, worker and S3; measure its stems and its mix."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import httpx
import numpy as np
import pytest

from mixing.audio import Audio
from mixing.loudness import measure
from mixing.presets import PRESETS
from shared.settings import ROOT
from tests.audio_fixtures import Waveform, read_back
from tests.e2e.conftest import Stack
from tests.servers import S3Server

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

PAGE = ROOT / "docs" / "multi-instrument.md"
PIECE_S = 6.0
TRIO = {"piano": "Jazz piano comping", "bass": "Walking bass line", "drums": "Swing pattern"}


def example(n: int = 0) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of the page's nth curl command."""
    words = shlex.split(re.findall(r"^```bash\n(curl .*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)[n])
    address = next(word for word in words if word.startswith("localhost:8000"))
    return address.removeprefix("localhost:8000"), json.loads(words[words.index("-d") + 1])


def test_the_pages_presets_are_those_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (-\d+) LUFS \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(p.name, p.description, f"{p.target_lufs:g}") for p in PRESETS.values()]


def correlation(mix: Waveform, stem: Waveform) -> float:
    """Correlate with a stem that a preset has delayed, filtered and reverberated: the best over small shifts."""
    mono = mix.mean(axis=0)
    return float(
        max(abs(np.corrcoef(mono[shift : shift + 96_000], stem[0][:96_000])[0, 1]) for shift in range(0, 64, 8))
    )


def test_three_instruments_become_one_mix_and_three_stems(stack: Stack, s3: S3Server) -> None:
    address, body = example()
    assert body["instruments"] == TRIO
    answer = stack.http.post(address, json=body)
    assert answer.status_code == 202, answer.text
    task_id = answer.json()["task_id"]
    told = stack.http.get(f"/tasks/{task_id}/events", timeout=60.0).text  # until it has ended
    task = stack.task(task_id)
    assert task["status"] == "completed", task
    assert (task["tempo_bpm"], task["mix_preset"], task["attempts"]) == (94, "jazz_club", 1)
    stems = {name: read_back(httpx.get(url).content)[0] for name, url in task["result"]["stems"].items()}
    mix, rate_hz = read_back(httpx.get(task["result"]["audio_url"]).content)
    assert {name: stem.shape for name, stem in stems.items()} == dict.fromkeys(TRIO, (1, round(PIECE_S * rate_hz)))
    assert mix.shape == (2, round(PIECE_S * rate_hz))
    loudness = measure(Audio(mix, rate_hz))
    preset = PRESETS["jazz_club"]
    assert loudness.lufs == pytest.approx(preset.target_lufs, abs=0.5)
    assert loudness.true_peak_dbtp <= -preset.headroom_db + 0.05
    for name, stem in stems.items():
        assert correlation(mix, stem) > 0.1, name
    noise = np.random.default_rng(1).standard_normal((1, 96_000)).astype(np.float32)
    assert correlation(mix, noise) < 0.03, "what is not in it is not found in it"
    events = [line.removeprefix("event: ") for line in told.splitlines() if line.startswith("event: ")]
    assert {events[0], *events[1:-1], events[-1]} == {"queued", "progress", "started", "completed"}
    percents = [
        json.loads(line[6:])["percent"] for line in told.splitlines() if '"percent"' in line and '"step"' in line
    ]
    assert percents == sorted(percents)
    assert 0 < percents[0] < 60
    assert percents[-1] > 90
    first, bass, drums = (stack.task(part["task_id"]) for part in task["parts"])
    assert bass["created_at"] + bass["queue_time"] >= first["created_at"] + first["total_time"] - 0.01, "it waited"
    assert first["prompt"].startswith("Jazz piano comping in ")
    assert drums["prompt"] == "Swing pattern, at 94 bpm"
    mixed_again(stack, task_id, stems)


def mixed_again(stack: Stack, task_id: str, stems: dict[str, Waveform]) -> None:
    """Check the mix of the same stems that the page's second command asks for, without a preset and quieter."""
    address, body = example(1)
    body |= {"mix_preset": None, "loudness": -24}  # nothing is limited: the mix is a sum of the stems
    answer = stack.http.post(address.replace("$TASK", task_id), json=body)
    assert answer.status_code == 202, answer.text
    stack.http.get(f"/tasks/{answer.json()['task_id']}/events", timeout=60.0)
    task = stack.task(answer.json()["task_id"])
    assert (task["status"], task["mix_of"]) == ("completed", task_id)
    mix, rate_hz = read_back(httpx.get(task["result"]["audio_url"]).content)
    assert measure(Audio(mix, rate_hz)).lufs == pytest.approx(body["loudness"], abs=0.5)
    gains, *_ = np.linalg.lstsq(np.stack([stems[name][0] for name in TRIO]).T, mix.T)  # [stems, channels]
    expected = np.array([[np.cos(np.pi / 8), np.sin(np.pi / 8)], np.sqrt([0.5, 0.5]) * 10 ** (2 / 20), [0, 0]])
    np.testing.assert_allclose(gains / gains[0, 0], expected / expected[0, 0], atol=1e-3)
    piano = read_back(httpx.get(task["result"]["stems"]["piano"]).content)[0]
    np.testing.assert_array_equal(piano, stems["piano"])
