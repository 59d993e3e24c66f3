"""What happens to the child that decodes an upload: too slow, crashing, talking nonsense, or too many at once."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api.uploads import decoder
from api.uploads.decoder import decode_melody
from api.uploads.decoder_slots import open_slots
from api.uploads.sandbox.confinement import LAYERS
from shared.errors import RateLimited, Unavailable
from tests.api.uploads.test_decoder import refusal_of, settings, with_flac_length
from tests.audio_fixtures import file_of, noise, tone


def test_a_decoder_that_takes_too_long_is_stopped_and_the_file_refused() -> None:
    assert "longer than 0.01 s to decode" in refusal_of(file_of(tone(), 32_000), melody_timeout_s=0.01)["message"]


def child_that_runs(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    script = folder / "child.py"
    script.write_text("import json, os, signal, subprocess, sys, time\n" + code)
    monkeypatch.setattr(decoder, "CHILD", script)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("raise OSError('no')", "exit code 1"),
        ("sys.exit(2)", "exit code 2"),
        ("print('[1, 2]')", "exit code 0"),
        ("print('{')", "exit code 0"),
        ("print(json.dumps({'seconds': 1.0}))", "exit code 0"),
        ("print(json.dumps({'seconds': 1.0}), 'RIFF' + 'x' * 100, sep=chr(10))", "exit code 0"),
        ("print(json.dumps({'seconds': 1.0}), 'fLaC' + 'x' * 100, sep=chr(10))", "exit code 0"),
    ],
)
def test_a_decoder_that_crashes_or_talks_nonsense_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, cause: str
) -> None:
    child_that_runs(monkeypatch, tmp_path, code)
    refusal = refusal_of(b"anything")
    assert refusal["value"] == cause
    assert "export it again" in refusal["message"]


def test_everything_that_a_stuck_decoder_started_dies_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    grandchild = f"import time, pathlib\nwhile True: pathlib.Path({str(beat)!r}).touch(); time.sleep(0.02)"
    child_that_runs(
        monkeypatch,
        tmp_path,
        f"subprocess.Popen([sys.executable, '-c', {grandchild!r}])\n"
        f"while not os.path.exists({str(beat)!r}): time.sleep(0.01)\n"
        "time.sleep(60)",
    )
    refusal_of(b"anything", melody_timeout_s=3.0)
    beat.unlink()  # it did beat
    time.sleep(0.3)
    assert not beat.exists()


def test_the_decoder_inherits_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("S3_SECRET_KEY", "hush")
    child_that_runs(monkeypatch, tmp_path, "print(json.dumps({'error': str(dict(os.environ))})); sys.exit(2)")
    environment = refusal_of(b"anything")["message"]
    assert "OPENBLAS_NUM_THREADS" in environment
    assert "S3_SECRET_KEY" not in environment
    assert "hush" not in environment


def confined(code: str, *layers: str) -> subprocess.Popen[str]:
    limits = f"Limits(melody_s=1, memory_bytes=300 << 20, run_s=1, output_bytes=5000, layers={layers or tuple(LAYERS)})"
    start = (
        "import json, resource, sys, numpy\n"
        f"from api.uploads.decoder_process import Limits, confine\nconfine({limits})\n"
    )
    root = Path(decoder.__file__).parents[2]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", start + code], stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=root
    )


def test_the_decoder_limits_itself() -> None:
    names = ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE")
    asked = ", ".join(f"{name!r}: resource.getrlimit(resource.RLIMIT_{name})" for name in names)
    layers = [layer for layer in LAYERS if layer != "seccomp"]  # which denies asking
    answer, complaint = confined(f"print(json.dumps({{{asked}}}))", *layers).communicate(timeout=30)
    assert answer, complaint
    ceilings = (300 << 20, 1, 5000, 0, 0, 0)
    assert json.loads(answer) == {name: [ceiling] * 2 for name, ceiling in zip(names, ceilings, strict=True)}


def test_the_decoder_can_neither_grow_nor_linger() -> None:
    greedy, busy, asleep = map(confined, ("numpy.ones(400 << 17)", "while True: pass", "sys.stdin.read()"))
    assert "MemoryError" in greedy.communicate(timeout=30)[1]
    asleep.wait(timeout=30)
    busy.communicate(timeout=30)
    assert busy.returncode < 0
    assert asleep.returncode < 0


def test_an_upload_that_finds_no_decoder_free_is_told_to_come_again(tmp_path: Path) -> None:
    busy = settings(melody_timeout_s=0.05, max_decoders=2, decoder_slots_path=tmp_path / "slots")
    upload = file_of(tone(), 32_000)
    with open_slots(busy).acquire("a", 1.0):
        with open_slots(busy).acquire("b", 1.0), pytest.raises(Unavailable, match="try again"):
            decode_melody(io.BytesIO(upload), busy, account="c")
        with pytest.raises(RateLimited, match="the limit of 1 decoder for the uploads and conversions of one account"):
            decode_melody(io.BytesIO(upload), busy, account="a")
    patient = busy.model_copy(update={"melody_timeout_s": 20.0})
    refusal_of(b"not audio", **patient.model_dump(include={"max_decoders", "decoder_slots_path"}))
    for _ in range(2):  # neither a refusal nor an answer keeps its place
        assert decode_melody(io.BytesIO(upload), patient, account="a").seconds == 1.0


def test_no_more_than_so_many_samples_are_decoded_of_one_upload() -> None:
    short = tone(seconds=1.0, rate_hz=48_000, channels=8)
    for kind in ("wav", "flac"):
        assert decode_melody(io.BytesIO(file_of(short, 48_000, kind)), settings()).seconds == 1.0
        refusal = refusal_of(file_of(short, 48_000, kind), max_melody_samples=383_999)
        assert "MAX_MELODY_SAMPLES" in refusal["message"]
        assert "send it shorter" in refusal["message"]
        assert refusal["value"] == "1.0 s x 48000 Hz x 8 channels"


def test_a_header_that_hides_the_cost_saves_nothing() -> None:
    flac = with_flac_length(file_of(noise(4.0, rate_hz=48_000), 48_000, "flac"), 0)
    refusal = refusal_of(flac, max_melody_samples=100_000)
    assert "MAX_MELODY_SAMPLES" in refusal["message"]
    assert float(refusal["value"].partition(" ")[0]) < 4.0  # it was stopped where it was too much


def test_no_codec_is_loaded_into_the_server() -> None:
    code = (
        "import sys, api.uploads.decoder\n"
        "print([m for m in ('soundfile', 'soxr', 'torch', 'worker') if m in sys.modules])"
    )
    root = Path(decoder.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
