"""Define the subcommands: their arguments, and their help. What they do is imported when one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from music_gen.cli import completion
from music_gen.cli.options import (
    Duration,
    FileOptions,
    Force,
    Format,
    JsonOption,
    Model,
    MusicOptions,
    ScreenOptions,
    ServerOptions,
)

Prompt = Annotated[str, Argument(help="what to hear, such as 'lofi piano'", show_default=False)]
TaskId = Annotated[str, Argument(help="a task's id, or a batch's", autocompletion=completion.tasks)]
TaskIds = Annotated[list[str], Argument(help="ids of tasks or batches", autocompletion=completion.tasks)]
Value = int | float | str  # of an option of the API's table

NAMES = ("make", "continue", "variations", "batch", "list", "show", "cancel", "models")
MAKE_EXAMPLES = (
    'make "slow piano"',
    'make "lofi piano" --melody hum.wav -o out.mp3 --seed 7',
    'make "brass band" -d 30 --title "Parade" --format flac',
    'make "lofi piano" --stream -o - | ffplay -nodisp -autoexit -',
    'make "lofi piano" --local --model tiny',
)
CONTINUE_EXAMPLES = (
    "continue 3f0c2a51-6b0e-4a53-9d0e-0b7f5f3c9f11 --add 10",
    'continue mine.wav "warm synthwave" --continue-seconds 10 -o longer.wav',
)
VARIATIONS_EXAMPLES = (
    'variations "brass band" -n 4',
    'variations "flute, calm" -n 2 --melody hum.wav -o takes.mp3',
)
BATCH_EXAMPLES = (
    "batch prompts.txt -o album        a prompt a line",
    "batch requests.jsonl --seed 1     lines such as the next one",
    '  {"prompt": "calm piano", "duration": 12, "output": "intro.mp3"}',
    "batch - --json < requests.json    an array of them",
)
LIST_EXAMPLES = ("list", 'list --search "sad piano"', "list -n 100 --json | jq -r '.[].task_id'")
SHOW_EXAMPLES = (
    "show 3f0c2a51-6b0e-4a53-9d0e-0b7f5f3c9f11",
    "show 3f0c2a51-6b0e-4a53-9d0e-0b7f5f3c9f11 -o out.wav",
)
CANCEL_EXAMPLES = (
    "cancel 3f0c2a51-6b0e-4a53-9d0e-0b7f5f3c9f11",
    "cancel $(music-gen list --json | jq -r '.[].task_id')",
)
MODELS_EXAMPLES = ("models", "models --json")


def make(
    prompt: Prompt = "",
    *,
    file: FileOptions,
    music: MusicOptions,
    continue_from: Annotated[
        str | None,
        Option(
            metavar="TASK",
            help="go on from an earlier task's music; --duration is the whole",
            autocompletion=completion.tasks,
        ),
    ] = None,
    server: ServerOptions,
    local: Annotated[bool, Option("--local", help="make it in this process, with the engine of a checkout")] = False,
    device: Annotated[str, Option(help="auto, cuda, mps or cpu, with --local")] = "auto",
    stream: Annotated[
        bool, Option("--stream", help="hear it while it is made; with -o - as a WAV on standard output")
    ] = False,
    play: Annotated[bool, Option("--play", help="play it when it is there")] = False,
    screen: ScreenOptions,
    **fields: Value,
) -> None:
    """Make a clip from a prompt, a melody, or both. This is what is done where no subcommand is named."""
    from music_gen.cli import making

    asked = making.Asked(prompt, file, music, server, screen, fields)
    making.make(asked, continue_from=continue_from, local=local, device=device, stream=stream, play=play)


def continue_(
    earlier: Annotated[
        str, Argument(metavar="TASK|FILE", help="what to go on from", autocompletion=completion.tasks_and_files)
    ],
    prompt: Annotated[str | None, Argument(help="what comes; left out, the task's own prompt")] = None,
    *,
    add: Annotated[float, Option(help="seconds of music to add, where no --duration says the whole")] = 8.0,
    continue_seconds: Annotated[
        float | None,
        Option(help="seconds of its end to go on from, with which the file begins; else all"),
    ] = None,
    at: Annotated[float | None, Option(help="seconds of the task to keep: it is cut there and gone on from")] = None,
    file: FileOptions,
    music: MusicOptions,
    server: ServerOptions,
    play: Annotated[bool, Option("--play", help="play it when it is there")] = False,
    screen: ScreenOptions,
    **fields: Value,
) -> None:
    """Go on from an earlier task's music, or from an audio file; the new file begins with it."""
    from music_gen.cli import making

    asked = making.Asked(prompt, file, music, server, screen, fields)
    making.go_on(asked, earlier, add_s=add, continue_s=continue_seconds, at_s=at, play=play)


def variations(
    prompt: Prompt = "",
    *,
    count: Annotated[int, Option("-n", "--count", help="how many, from 2 to 8", min=2, max=8)] = 3,
    file: FileOptions,
    music: MusicOptions,
    server: ServerOptions,
    screen: ScreenOptions,
    **fields: Value,
) -> int:
    """Make several takes of one request, under consecutive seeds: music.wav, music-2.wav, ..."""
    from music_gen.cli import making, many

    return many.make_variations(making.Asked(prompt, file, music, server, screen, fields), count)


def batch(
    source: Annotated[Path, Argument(metavar="FILE", help="JSON, JSON lines, or a prompt a line; - is standard input")],
    *,
    folder: Annotated[Path, Option("-o", "--output", help="the folder for the clips; made where it is not")] = Path(),
    format: Format = None,
    force: Force = False,
    duration: Duration = None,
    model: Model = None,
    server: ServerOptions,
    screen: ScreenOptions,
    **fields: Value,
) -> int:
    """Make a clip for each request of a file. Options hold for the requests that do not say otherwise."""
    from music_gen.cli import many
    from music_gen.cli.batch_file import read_requests

    usual = {"duration": duration, "model": model, "output_format": format, **fields}
    return many.make_batch(read_requests(source, usual), folder, server, screen, force=force)


def list_(
    *,
    limit: Annotated[int, Option("-n", "--limit", help="how many, from 1 to 100", min=1, max=100)] = 20,
    offset: Annotated[int, Option(help="how many to leave out first", min=0)] = 0,
    search: Annotated[str | None, Option(metavar="WORDS", help="those whose title and prompt have all of them")] = None,
    favourites: Annotated[bool, Option("--favourites", help="favourites alone")] = False,
    server: ServerOptions,
    screen: JsonOption,
) -> None:
    """List the tasks, the newest first."""
    from music_gen.cli import tasks

    tasks.print_list(limit, offset, server, search=search, favourites=favourites, as_json=screen.json)


def show(
    task: TaskId,
    *,
    output: Annotated[Path | None, Option("-o", "--output", help="also wait for its music, and save it there")] = None,
    force: Force = False,
    server: ServerOptions,
    screen: ScreenOptions,
) -> None:
    """Show all that is known of a task or a batch."""
    from music_gen.cli import tasks

    tasks.show(task, output, server, screen, force=force)


def cancel(ids: TaskIds, *, server: ServerOptions, screen: JsonOption) -> int:
    """Cancel tasks or batches, waiting or running."""
    from music_gen.cli import tasks

    return tasks.cancel(ids, server, as_json=screen.json)


def models(*, server: ServerOptions, screen: JsonOption) -> None:
    """List the server's models, and how many workers each has now."""
    from music_gen.cli import tasks

    tasks.print_models(server, as_json=screen.json)
