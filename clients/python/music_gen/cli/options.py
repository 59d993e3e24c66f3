"""Define the options that several subcommands share, as groups; make typer read a group as its single options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from music_gen.cli import completion
from music_gen.request_fields import OPTIONS, OutputFormat

BaseUrl = Annotated[
    str | None,
    Option("--base-url", help="the server's address (MUSIC_GEN_BASE_URL, else http://localhost:8000)"),
]
Output = Annotated[
    Path | None,
    Option("-o", "--output", help="the file (music.wav); its suffix is the format; - is stdout"),
]
Format = Annotated[OutputFormat | None, Option("--format", help="the format, where no -o says it (wav)")]
Force = Annotated[bool, Option("--force", help="write over a file of that name; without it, to music-2.wav")]
Melody = Annotated[Path | None, Option("-m", "--melody", help="an audio file whose tune to follow")]
Duration = Annotated[float | None, Option("-d", "--duration", help="seconds of music (8)")]
Model = Annotated[
    str | None,
    Option(
        "--model",
        help="one that the server has; with --local a name, a hub id or a folder",
        autocompletion=completion.models,
    ),
]
Quiet = Annotated[bool, Option("-q", "--quiet", help="no progress")]
Json = Annotated[bool, Option("--json", help="print JSON, for programs, instead of lines for people")]


@dataclass(frozen=True)
class ServerOptions:
    base_url: BaseUrl = None


@dataclass(frozen=True)
class FileOptions:
    output: Output = None
    format: Format = None
    force: Force = False


@dataclass(frozen=True)
class MusicOptions:
    melody: Melody = None
    duration: Duration = None
    model: Model = None


@dataclass(frozen=True)
class ScreenOptions:
    quiet: Quiet = False
    json: Json = False


@dataclass(frozen=True)
class JsonOption:
    json: Json = False


def expanded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with each parameter that is a group of options as these options.

    A parameter `**fields` becomes the options that the API's table has (`OPTIONS`): those given, without the others.
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {name: group for name, each in signature.parameters.items() if (group := _group_of(each))}
    parameters = [
        single
        for each in signature.parameters.values()
        for single in (_of_table() if each.kind is each.VAR_KEYWORD else _singles(each))
    ]

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        return command(**{name: value for name, value in given.items() if name not in OPTIONS or value is not None})

    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    return run


def _group_of(parameter: inspect.Parameter) -> type[Any] | None:
    annotation = parameter.annotation
    return annotation if isinstance(annotation, type) and is_dataclass(annotation) else None


def _singles(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    group = _group_of(parameter)
    if group is None:
        return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    hints = inspect.get_annotations(group, eval_str=True)
    return [_keyword(field.name, hints[field.name], field.default) for field in fields(group)]


def _of_table() -> list[inspect.Parameter]:
    return [_keyword(name, Annotated[kind | None, Option(help=words)], None) for name, (kind, words) in OPTIONS.items()]


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
