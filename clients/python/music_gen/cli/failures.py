"""Say what went wrong as one line on standard error, and as the command's exit status."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from music_gen.errors import MusicGenError

P = ParamSpec("P")
FAILED, MISUSED, INTERRUPTED = 1, 2, 130


class Misuse(typer.TyperException):
    """Say that what was typed cannot be meant."""

    exit_code = MISUSED


def complain(words: object) -> None:
    """Print one line."""
    print(f"music-gen: {' '.join(str(words).split())}", file=sys.stderr)


def guarded(command: Callable[P, int | None]) -> Callable[P, int]:
    """Return the command with its failures told; it returns the exit status."""

    @functools.wraps(command)
    def run(*given: P.args, **named: P.kwargs) -> int:
        try:
            return command(*given, **named) or 0
        except (typer.TyperException, typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            print("cancelled", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at its end
            complain("nobody takes any more what is written")
            return FAILED
        except (MusicGenError, OSError) as error:
            complain(error)
            return FAILED
        except Exception as error:
            return _explain(error)

    return run


def _explain(error: Exception) -> int:
    """Tell of an address that is none. Raises the error again where it is another one."""
    import httpx  # late: --help needs none of it

    if not isinstance(error, httpx.InvalidURL):
        raise error
    complain(f"{error}; check --base-url and MUSIC_GEN_BASE_URL")
    return FAILED
