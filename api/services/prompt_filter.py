"""Screen prompts: with a hook that refuses them, or a list of words as one. Off unless PROMPT_FILTER names a hook.

PROMPT_FILTER=module:function. The function is called with each prompt and the settings; it answers None, or why the
prompt is refused, in words for the caller. It is tried once at boot. One that fails later refuses nothing and lets
nothing through: the caller is told to try again (503), and the log tells the operator why.
"""

from __future__ import annotations

import functools
import importlib
import logging
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from shared.errors import ConfigurationError, FieldError, InvalidRequest, PromptFilterFailed
from shared.settings import Settings

log = logging.getLogger(__name__)

TRIAL = "calm piano"

Hook = Callable[[str, Settings], str | None]
Screen = Callable[[str], None]


def open_screen(settings: Settings) -> Screen:
    """Return a check that raises InvalidRequest for a refused prompt, PromptFilterFailed when the hook fails.

    Raises ConfigurationError for a hook that cannot be loaded, or that fails on a harmless prompt.
    """
    if settings.prompt_filter is None:
        return lambda prompt: None
    hook = _load(settings.prompt_filter)
    try:
        _ask(hook, TRIAL, settings)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"PROMPT_FILTER={settings.prompt_filter} fails: {error!r}; it is called with (prompt, settings) and "
            "returns None or a text"
        ) from error
    return functools.partial(_screen, hook, settings)


def _load(name: str) -> Hook:
    module, _, function = name.partition(":")
    try:
        hook: Hook = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever its import may raise
        raise ConfigurationError(
            f"PROMPT_FILTER={name} cannot be loaded: {error!r}; write module:function, of a module that Python finds, "
            "such as api.screening:words"
        ) from error
    if not callable(hook):
        raise ConfigurationError(f"PROMPT_FILTER={name} is no function; write module:function")
    return hook


def _ask(hook: Hook, prompt: str, settings: Settings) -> str | None:
    refusal = hook(prompt, settings)
    if refusal is not None and not isinstance(refusal, str):
        raise TypeError(f"it answered {type(refusal).__name__}, not None or a text")
    return refusal


def _screen(hook: Hook, settings: Settings, prompt: str) -> None:
    try:
        refusal = _ask(hook, prompt, settings)
    except Exception as error:
        log.exception("PROMPT_FILTER=%s failed", settings.prompt_filter)
        raise PromptFilterFailed("this prompt could not be checked now; nothing was submitted, try again") from error
    if refusal is not None:
        raise InvalidRequest([FieldError("prompt", refusal or "is refused here", prompt[:80], "PROMPT_REFUSED")])


def words(prompt: str, settings: Settings) -> str | None:
    """Refuse prompts that hold a word or phrase of PROMPT_FILTER_WORDS: one a line, `#` begins a comment.

    Whole words, whatever their case, accents' encoding or spacing. Which word it was is not told.
    """
    if settings.prompt_filter_words is None:
        raise ConfigurationError("PROMPT_FILTER_WORDS: name the file of words for PROMPT_FILTER=api.screening:words")
    found = _pattern(settings.prompt_filter_words).search(_plain(prompt))
    return "holds a word that is not allowed here; describe the music in other words" if found else None


@functools.cache
def _pattern(path: Path) -> re.Pattern[str]:
    """Read once in a process: a restart takes up a changed list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"PROMPT_FILTER_WORDS={path} cannot be read: {error}") from error
    entries = [entry for line in lines if (entry := _plain(line.partition("#")[0]))]
    if not entries:
        raise ConfigurationError(f"PROMPT_FILTER_WORDS={path} holds no word; write one a line")
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, entries))})(?!\w)")


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
