"""Listen to a streamed task of the stack, in a thread, and read the samples of a file to compare with."""

from __future__ import annotations

import io
import threading
import time

import httpx
import soundfile

from tests.e2e.conftest import Stack

HEAD = 44  # bytes before a WAV's samples


class Listener(threading.Thread):
    """Take a stream in, and note when its first sound came."""

    def __init__(self, stack: Stack, task_id: str) -> None:
        super().__init__(daemon=True)
        self._url = f"{stack.services.url}/tasks/{task_id}/stream"
        self.sound, self.first_at = b"", 0.0
        self.broken_off = False
        self.start()

    def run(self) -> None:
        try:
            self._listen()
        except httpx.RemoteProtocolError:
            self.broken_off = True

    def _listen(self) -> None:
        with httpx.stream("GET", self._url, timeout=120.0, trust_env=False) as answer:
            assert answer.status_code == 200
            for data in answer.iter_raw():
                self.sound += data
                if len(self.sound) > HEAD and not self.first_at:
                    self.first_at = time.time()


def samples_of(file: bytes) -> bytes:
    samples, _ = soundfile.read(io.BytesIO(file), dtype="int16")
    joined: bytes = samples.tobytes()
    return joined
