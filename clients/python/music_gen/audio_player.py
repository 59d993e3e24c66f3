"""Play sound on this machine: a clip through the system's player, and chunks as they come. Decodes nothing."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self

from music_gen.errors import PlayerMissing
from music_gen.wav_reader import head_of

if TYPE_CHECKING:
    from music_gen.remote.chunk_assembler import AudioChunk

FILE_PLAYERS = (
    ("afplay",),
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("ffplay", "-nodisp", "-autoexit", "-v", "error"),
)
STREAM_PLAYERS = (
    ("aplay", "-q", "-"),
    ("ffplay", "-nodisp", "-autoexit", "-v", "error", "-i", "-"),
    ("mpv", "--really-quiet", "--no-video", "-"),
)


def find_player(players: tuple[tuple[str, ...], ...], remedy: str) -> list[str]:
    """Raises PlayerMissing."""
    found = next((command for command in players if shutil.which(command[0])), None)
    if found is None:
        names = ", ".join(command[0] for command in players)
        raise PlayerMissing(f"no program to play sound with ({names}); {remedy}")
    return list(found)


class Loudspeaker:
    """Play a WAV without an end, by a player of its own or into `sink`, which may stop taking it in."""

    def __init__(self, sink: IO[bytes] | None = None) -> None:
        """Raises PlayerMissing."""
        self._command = [] if sink else find_player(STREAM_PLAYERS, "-o - writes the sound to standard output")
        self._sink = sink
        self._player: subprocess.Popen[bytes] | None = None
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._end(at_once=kind is not None)

    def play(self, chunk: AudioChunk) -> None:
        """Raises BrokenPipeError where nobody takes the sound any more."""
        if chunk.restart and self._player is not None:
            self._end(at_once=True)
        if not self._begun:
            self._write(head_of(chunk.sample_rate_hz, chunk.channels))
            self._begun = True
        self._write(chunk.pcm)

    def _write(self, data: bytes) -> None:
        if self._sink is None and self._player is None:
            self._player = subprocess.Popen(self._command, stdin=subprocess.PIPE)
        out = self._player.stdin if self._player else self._sink
        assert out is not None
        out.write(data)
        out.flush()

    def _end(self, *, at_once: bool) -> None:
        """End the player; `at_once`: not after what is still to be heard."""
        if self._player is None:
            return
        if at_once:
            self._player.terminate()
        assert self._player.stdin is not None
        with suppress(OSError):
            self._player.stdin.close()
        self._player.wait()
        self._player, self._begun = None, False
