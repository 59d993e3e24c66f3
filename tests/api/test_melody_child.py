"""What happens to the child that decodes an upload: too slow, crashing, talking nonsense, or too many at once."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from api import melody
from api.melody import decode_melody
from shared.errors import Unavailable
from tests.api.test_melody import refusal_of, settings
from tests.sounds import file_of, tone


def test_a_decoder_that_takes_too_long_is_stopped_and_the_file_refused() -> None:
    assert "longer than 0.01 s to decode" in refusal_of(file_of(tone(), 32_000), melody_timeout_s=0.01)["message"]


def child_that_runs(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    script = folder / "child.py"
    script.write_text("import json, os, signal, subprocess, sys, time\n" + code)
    monkeypatch.setattr(melody, "CHILD", script)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("raise OSError('no')", "exit code 1"),
        ("sys.exit(2)", "exit code 2"),
        ("print('[1, 2]')", "exit code 0"),
        ("print('{')", "exit code 0"),
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


def confined(code: str) -> subprocess.Popen[str]:
    limits = "Limits(melody_s=1, memory_bytes=300 << 20, run_s=1, output_bytes=5000)"
    start = f"import resource, time, numpy\nfrom api.melody_child import Limits, confine\nconfine({limits})\n"
    root = Path(melody.__file__).parents[1]
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", start + code], stdout=pipe, stderr=pipe, text=True, cwd=root)


def test_the_decoder_limits_itself() -> None:
    names = ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE")
    asked = ", ".join(f"{name!r}: resource.getrlimit(resource.RLIMIT_{name})" for name in names)
    answer, _ = confined(f"import json; print(json.dumps({{{asked}}}))").communicate(timeout=30)
    ceilings = (300 << 20, 1, 5000, 16, 0, 0)
    expected = {name: [ceiling] * 2 for name, ceiling in zip(names, ceilings, strict=True)}
    assert json.loads(answer) == expected


def test_the_decoder_can_neither_grow_nor_linger() -> None:
    greedy, busy, asleep = (confined(code) for code in ("numpy.ones(400 << 17)", "while True: pass", "time.sleep(40)"))
    assert "MemoryError" in greedy.communicate(timeout=30)[1]
    for endless in (busy, asleep):
        endless.communicate(timeout=30)
        assert endless.returncode < 0


def test_no_more_decoders_run_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    room = threading.BoundedSemaphore(1)
    monkeypatch.setattr(melody, "_children", room)
    upload = file_of(tone(), 32_000)
    with room, pytest.raises(Unavailable, match="try again"):
        decode_melody(io.BytesIO(upload), settings(melody_timeout_s=0.05))
    refusal_of(b"not audio")
    assert decode_melody(io.BytesIO(upload), settings()).seconds == 1.0  # a refusal gave its place back


def test_no_codec_is_loaded_into_the_server() -> None:
    code = "import sys, api.melody; print([m for m in ('soundfile', 'soxr', 'torch', 'worker') if m in sys.modules])"
    root = Path(melody.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
