"""Run `music-gen PROMPT -o FILE`: one clip, from a server or made in this process.

It asks a server unless it is told `--local`: making music here needs the engine, and fetches weights. The key comes
from the environment (MUSIC_GEN_API_KEY): on the command line every user of the machine could read it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

import httpx

from music_gen.audio import AudioOutput
from music_gen.audio_player import Loudspeaker
from music_gen.cli.progress_bar import Bar
from music_gen.errors import ConnectionFailed, MusicGenError
from music_gen.local.generator import MusicGenerator
from music_gen.remote.client import APIClient
from music_gen.remote.transport import BASE_URL
from music_gen.request_fields import OPTIONS, OutputFormat

FORMATS = get_args(OutputFormat)
STDOUT = Path("-")
DEFAULT_DURATION_S = 8.0
INTERRUPTED = 130
CONNECT_RETRY_S = 3.0  # for how long a server that does not answer at all is tried
LOCAL_MODELS = {False: "facebook/musicgen-small", True: "facebook/musicgen-melody"}  # without and with a melody
EPILOG = """environment: MUSIC_GEN_BASE_URL (the default of --base-url), MUSIC_GEN_API_KEY (of that server).
exit status: 0, 1 what went wrong, 2 what was typed wrong, 130 after Ctrl-C (which cancels)."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    asked = read_arguments(arguments)
    bar = Bar(None if asked.quiet else sys.stderr)
    try:
        make = generate_locally if asked.local else stream if asked.stream else generate_remotely
        clip = make(asked, bar)
        bar.end()
        report(asked, clip)
        if asked.play and not asked.stream:
            clip.play()
    except KeyboardInterrupt:
        bar.end()
        print("cancelled", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        bar.end()
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more when it ends
        print("music-gen: nobody takes the sound any more", file=sys.stderr)
        return 1
    except (MusicGenError, OSError, httpx.InvalidURL) as error:
        bar.end()
        print(f"music-gen: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def generate_locally(asked: argparse.Namespace, bar: Bar) -> AudioOutput:
    warnings.simplefilter("ignore")  # of the libraries, about themselves
    logging.getLogger("xformers").setLevel(logging.ERROR)
    model = asked.model or LOCAL_MODELS[asked.melody is not None]
    bar.show(f"loading {model}")
    with MusicGenerator(model, asked.device) as generator:
        return generator.generate(
            asked.prompt,
            asked.duration or DEFAULT_DURATION_S,
            melody=asked.melody,
            output_format=asked.format,
            on_progress=bar.show_percent,
            **fields_of(asked),
        )


def generate_remotely(asked: argparse.Namespace, bar: Bar) -> AudioOutput:
    with connect(asked) as client:
        return client.generate(
            asked.prompt,
            asked.duration,
            output_format=asked.format,
            on_progress=bar.show_task,
            **audio_and_model(asked),
            **fields_of(asked),
        )


def stream(asked: argparse.Namespace, bar: Bar) -> AudioOutput:
    """Play the clip while it is made: to the loudspeaker, or to standard output."""
    speaker = Loudspeaker(sys.stdout.buffer if asked.output == STDOUT else None)
    with (
        connect(asked) as client,
        speaker,
        client.stream(
            asked.prompt,
            asked.duration or DEFAULT_DURATION_S,
            output_format=asked.format,
            on_progress=bar.show_task,
            **audio_and_model(asked),
            **fields_of(asked),
        ) as audio_stream,
    ):
        for chunk in audio_stream:
            bar.show_chunk(chunk)
            speaker.play(chunk)
        return audio_stream.result()


def connect(asked: argparse.Namespace) -> APIClient:
    """Raises ConnectionFailed at once, and not after a minute, where nothing answers at all."""
    key = os.environ.get("MUSIC_GEN_API_KEY") or None
    url = asked.base_url or os.environ.get("MUSIC_GEN_BASE_URL") or BASE_URL
    try:
        with APIClient(key, url, retry_for_s=CONNECT_RETRY_S) as client:
            client.health()
    except ConnectionFailed as error:
        remedy = "start it (make up), name another with --base-url, or make the music here with --local"
        raise ConnectionFailed(f"no server answers at {url}: {remedy}") from error
    except MusicGenError:
        pass  # it is there; what it has to say, it says to the submission
    return APIClient(key, url)


def fields_of(asked: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(asked, name) for name in OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def audio_and_model(asked: argparse.Namespace) -> dict[str, Any]:
    given = {"melody": asked.melody, "model": asked.model, "continue_from": asked.continue_from}
    return {name: value for name, value in given.items() if value is not None}


def report(asked: argparse.Namespace, clip: AudioOutput) -> None:
    """Save it, and say what was made. Where it goes to standard output, only the music does."""
    for warning in clip.warnings:
        print(f"music-gen: {warning}", file=sys.stderr)
    summary = f"{clip.duration_s:.1f} s by {clip.model}, seed {clip.seed}"
    if asked.output == STDOUT:
        if not asked.stream:
            sys.stdout.buffer.write(clip.data)
        print(summary, file=sys.stderr)
        return
    clip.save(asked.output)
    print(f"{asked.output}: {summary}")


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """End the process with status 2 for what was typed wrong."""
    parser = make_parser()
    asked = parser.parse_args(arguments)
    asked.format = "wav" if asked.output == STDOUT else asked.output.suffix.lower().removeprefix(".")
    if asked.format not in FORMATS:
        parser.error(f"--output {asked.output}: the name must end in .{', .'.join(FORMATS)}")
    if not asked.prompt and asked.melody is None and asked.continue_from is None:
        parser.error("say what to hear: a prompt, a --melody, or both")
    if asked.melody is not None and not asked.melody.is_file():
        parser.error(f"--melody {asked.melody}: no such file")
    remote = {"--base-url": asked.base_url, "--stream": asked.stream, "--continue-from": asked.continue_from}
    if asked.local and (given := [name for name, value in remote.items() if value]):
        parser.error(f"{', '.join(given)}: only with a server; leave that out, or --local")
    if asked.device != "auto" and not asked.local:
        parser.error("--device: only with --local; a server has its own")
    return asked


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "music-gen",
        description="Text and melody to music.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("prompt", nargs="?", default="", help="what to hear, such as 'lofi piano'")
    add("-o", "--output", type=Path, default=Path("music.wav"), help="the file; its suffix is the format; - is stdout")
    add("-m", "--melody", type=Path, help="an audio file whose tune to follow")
    add("-d", "--duration", type=float, help="seconds of music (8)")
    add("--model", help="one that the server has; with --local a name, a hub id or a folder")
    for name, (kind, words) in OPTIONS.items():
        add(f"--{name.replace('_', '-')}", type=kind, help=words)
    add("--continue-from", metavar="TASK", help="go on from an earlier task's music; --duration is the whole")
    add("--base-url", help=f"the server ({BASE_URL})")
    add("--local", action="store_true", help="make it in this process, with the engine of a checkout")
    add("--device", default="auto", help="auto, cuda, mps or cpu, with --local")
    add("--stream", action="store_true", help="hear it while it is made; with -o - as a WAV on standard output")
    add("--play", action="store_true", help="play it when it is there")
    add("-q", "--quiet", action="store_true", help="no progress")
    return parser
