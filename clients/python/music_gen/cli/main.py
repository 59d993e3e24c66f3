"""Run `music-gen`: read what was typed, and run the subcommand that it names. Without one, it is `make`.

It asks a server unless it is told `--local`: making music here needs the engine, and fetches weights. The key comes
from the environment (MUSIC_GEN_API_KEY): on the command line every user of the machine could read it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from music_gen.cli import commands
from music_gen.cli.failures import INTERRUPTED, complain, guarded
from music_gen.cli.options import expanded
from music_gen.version import __version__

NAME, DEFAULT = "music-gen", "make"
OWN_OPTIONS = ("-h", "--help", "--version", "--install-completion", "--show-completion")
BEFORE_A_COMMAND = "--base-url"
UNWRAPPED = "\b\n"  # a paragraph of help whose lines stay as they are
EPILOG = f"""{UNWRAPPED}Examples:
  music-gen "slow piano"                         the same as: music-gen make "slow piano"
  music-gen "lofi piano" -m hum.wav -o out.mp3   after a melody
  music-gen continue out.mp3 "with drums"        go on from a file or a task
  music-gen batch prompts.txt -o album           a clip for each line of a file
  music-gen make --help                          all that can be asked for

{UNWRAPPED}Environment:
  MUSIC_GEN_BASE_URL  the server's address where no --base-url says it
  MUSIC_GEN_API_KEY   the key of that server

{UNWRAPPED}Exit status:
  0    all was made
  1    something went wrong, which one line says
  2    something was typed wrong
  130  Ctrl-C, which cancels
"""


class MakeByDefault(TyperGroup):
    """Take for a prompt what names no subcommand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args or not ctx.resilient_parsing:  # while a shell completes the first word, there is none yet
            args = self._with_command(args)
        return super().parse_args(ctx, args)

    def _with_command(self, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first in self.commands or first in OWN_OPTIONS:
            return args
        skipped = 2 if first == BEFORE_A_COMMAND else 1
        if first.startswith(BEFORE_A_COMMAND) and args[skipped:] and args[skipped] in self.commands:
            return [args[skipped], *args[:skipped], *args[skipped + 1 :]]
        return [DEFAULT, *args]


app = typer.Typer(
    name=NAME,
    cls=MakeByDefault,
    help="Text and melody to music, on an Ostinato server.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich would double the time that --help takes
)


def _say_version(asked: bool) -> None:
    if asked:
        print(f"{NAME} {__version__}")
        raise typer.Exit


@app.callback()
def options_before_the_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


def _add(name: str, command: Callable[..., Any], *examples: str) -> None:
    lines = [f"{UNWRAPPED}Examples:", *(f"  {NAME} {example}" for example in examples)]
    app.command(name, help=command.__doc__, epilog="\n".join(lines))(guarded(expanded(command)))


_add("make", commands.make, *commands.MAKE_EXAMPLES)
_add("continue", commands.continue_, *commands.CONTINUE_EXAMPLES)
_add("variations", commands.variations, *commands.VARIATIONS_EXAMPLES)
_add("batch", commands.batch, *commands.BATCH_EXAMPLES)
_add("list", commands.list_, *commands.LIST_EXAMPLES)
_add("show", commands.show, *commands.SHOW_EXAMPLES)
_add("cancel", commands.cancel, *commands.CANCEL_EXAMPLES)
_add("models", commands.models, *commands.MODELS_EXAMPLES)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status: int | None = app(words, prog_name=NAME, standalone_mode=False)
    except typer.TyperException as error:
        complain(f"{error.format_message().rstrip('.')}{_remedy(error, words)}")
        return error.exit_code
    except typer.Abort:
        return INTERRUPTED
    return status or 0


def _remedy(error: typer.TyperException, words: Sequence[str]) -> str:
    """Return what to do about a mistake in what was typed, where the message does not say it."""
    context = getattr(error, "ctx", None)
    if context is None:
        return ""
    hint = ""
    if "extra argument" in error.format_message():
        meant = get_close_matches(words[0], commands.NAMES, n=1)
        hint = "; a prompt of several words stands in quotes" + (f", or is it {NAME} {meant[0]}" if meant else "")
    return f"{hint}; {context.command_path} --help lists what there is"
