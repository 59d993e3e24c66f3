"""Make one clip: on a server, streamed from one, or in this process; save it, and say what was made."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from music_gen.audio import AudioOutput
from music_gen.audio_player import Loudspeaker
from music_gen.cli.connection import connect
from music_gen.cli.failures import Misuse, complain
from music_gen.cli.options import FileOptions, MusicOptions, ScreenOptions, ServerOptions
from music_gen.cli.output_file import STDOUT, Target, save, target_of
from music_gen.cli.progress_bar import Bar
from music_gen.local.generator import MusicGenerator

DEFAULT_DURATION_S = 8.0
LOCAL_MODELS = {False: "facebook/musicgen-small", True: "facebook/musicgen-melody"}  # without and with a melody
OR_LOCALLY = ", or make the music here with --local"


@dataclass(frozen=True)
class Asked:
    """Hold what was typed for one clip or several takes of it. `prompt` None leaves it to what is gone on from."""

    prompt: str | None
    file: FileOptions
    music: MusicOptions
    server: ServerOptions
    screen: ScreenOptions
    fields: dict[str, Any]

    def target(self) -> Target:
        """Return where the clip goes. Raises Misuse."""
        target = target_of(self.file.output, self.file.format)
        if self.screen.json and target.path == STDOUT:
            raise Misuse("--json and -o - both write to standard output; leave one of them out")
        return target

    def sent(self, target: Target, **more: Any) -> dict[str, Any]:
        """Return the fields beside prompt and duration, as a client takes them. Raises Misuse."""
        if self.music.melody is not None and not self.music.melody.is_file():
            raise Misuse(f"--melody {self.music.melody}: no such file")
        given = {"melody": self.music.melody, "model": self.music.model, **more}
        return {
            **{name: value for name, value in given.items() if value is not None},
            "output_format": target.format,
            **self.fields,
        }


def make(asked: Asked, *, continue_from: str | None, local: bool, device: str, stream: bool, play: bool) -> None:
    """Make a clip as `music-gen make` is told to. Raises Misuse for what cannot be meant."""
    target = asked.target()
    sent = asked.sent(target, continue_from=continue_from)
    if not asked.prompt and asked.music.melody is None and continue_from is None:
        raise Misuse("say what to hear: a prompt, a --melody, or both (music-gen --help has examples)")
    remote = {"--base-url": asked.server.base_url, "--stream": stream, "--continue-from": continue_from}
    if local and (given := [name for name, value in remote.items() if value]):
        raise Misuse(f"{', '.join(given)}: only with a server; leave that out, or --local")
    if device != "auto" and not local:
        raise Misuse("--device: only with --local; a server has its own")
    with Bar(None if asked.screen.quiet else sys.stderr) as bar:
        if local:
            clip = _locally(asked, sent, device, bar)
        elif stream:
            clip = _streamed(asked, sent, target, bar)
        else:
            clip = _remotely(asked, sent, bar)
    _report(asked, target, clip, written=stream)
    if play and not stream:
        clip.play()


def go_on(
    asked: Asked, earlier: str, *, add_s: float, continue_s: float | None, at_s: float | None, play: bool
) -> None:
    """Make a clip that begins with an earlier task's, or with a file. Raises Misuse for a file that is not there."""
    target = asked.target()
    path = Path(earlier)
    is_file = path.is_file()
    if not is_file and (path.suffix or path.name != earlier):
        raise Misuse(f"{earlier}: no such file, and no task's id")
    if is_file and at_s is not None:
        raise Misuse("--at: only of a task; cut the file, or leave that out")
    source = {"continue_audio": path} if is_file else {"continue_from": earlier}
    sent = asked.sent(target, **source, continue_seconds=continue_s, continue_at=at_s)
    with Bar(None if asked.screen.quiet else sys.stderr) as bar, connect(asked.server.base_url) as client:
        duration_s = asked.music.duration
        if duration_s is None:
            head_s = at_s or (_length_s(path) if is_file else client.get(earlier).duration_s)
            if head_s is None:
                raise Misuse(f"{earlier}: how long it is cannot be told yet; say --duration, which is of the whole")
            duration_s = min(head_s, continue_s or head_s) + add_s
        clip = client.generate(asked.prompt, duration_s, on_progress=bar.show_task, **sent)
    _report(asked, target, clip)
    if play:
        clip.play()


def _length_s(path: Path) -> float | None:
    try:
        return float(soundfile.info(path).duration)
    except soundfile.LibsndfileError:
        return None  # a kind of file that only the server reads


def _locally(asked: Asked, sent: dict[str, Any], device: str, bar: Bar) -> AudioOutput:
    warnings.simplefilter("ignore")  # of the libraries, about themselves
    logging.getLogger("xformers").setLevel(logging.ERROR)
    model = sent.pop("model", None) or LOCAL_MODELS["melody" in sent]
    bar.show(f"loading {model}")
    with MusicGenerator(model, device) as generator:
        duration_s = asked.music.duration or DEFAULT_DURATION_S
        return generator.generate(asked.prompt or "", duration_s, on_progress=bar.show_percent, **sent)


def _remotely(asked: Asked, sent: dict[str, Any], bar: Bar) -> AudioOutput:
    with connect(asked.server.base_url, OR_LOCALLY) as client:
        return client.generate(asked.prompt, asked.music.duration, on_progress=bar.show_task, **sent)


def _streamed(asked: Asked, sent: dict[str, Any], target: Target, bar: Bar) -> AudioOutput:
    """Play the clip while it is made: to the loudspeaker, or to standard output."""
    speaker = Loudspeaker(sys.stdout.buffer if target.path == STDOUT else None)
    duration_s = asked.music.duration or DEFAULT_DURATION_S
    with (
        connect(asked.server.base_url, OR_LOCALLY) as client,
        speaker,
        client.stream(asked.prompt, duration_s, on_progress=bar.show_task, **sent) as audio_stream,
    ):
        for chunk in audio_stream:
            bar.show_chunk(chunk)
            speaker.play(chunk)
        return audio_stream.result()


def _report(asked: Asked, target: Target, clip: AudioOutput, *, written: bool = False) -> None:
    """Save it, and say what was made. Where it goes to standard output, only the music does."""
    if target.path == STDOUT:
        print_warnings(clip)
        if not written:
            sys.stdout.buffer.write(clip.data)
        print(summary(clip), file=sys.stderr)
        return
    saved = save(clip, target.path, force=asked.file.force)
    if asked.screen.json:
        print(json.dumps(described(clip, saved)))
        return
    print_warnings(clip)
    print(f"{saved}: {summary(clip)}")


def print_warnings(clip: AudioOutput) -> None:
    for warning in clip.warnings:
        complain(warning)


def summary(clip: AudioOutput) -> str:
    return f"{clip.duration_s:.1f} s by {clip.model}, seed {clip.seed}"


def described(clip: AudioOutput, path: Path) -> dict[str, Any]:
    """Return what --json prints of a clip that was saved; `task` is the server's own answer, null without one."""
    return {
        "file": str(path),
        "format": clip.format,
        "duration": round(clip.duration_s, 3),
        "sample_rate": clip.sample_rate_hz,
        "model": clip.model,
        "seed": clip.seed,
        "warnings": list(clip.warnings),
        "task": dict(clip.task.raw) if clip.task else None,
    }
