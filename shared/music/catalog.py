"""List the models: name, checkpoint, queue, and what each can do. Loads nothing; knows no Redis.

A model is asked for by its short name, with `musicgen-` before it, or by its hub id, each with `@revision` or
without: `small`, `musicgen-small` and `facebook/musicgen-small@abc` are one entry. An operator adds or overrides
entries with MODEL_CHECKPOINTS and redirects names with MODEL_ALIASES.

The published MusicGen weights (Meta, facebook/musicgen-*) are under CC-BY-NC 4.0: not for commercial use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from shared.errors import FieldError, InvalidRequest
from shared.music.vocabulary import PUBLISHED_MODELS, TINY, Vocabulary
from shared.settings import ROOT, Settings


@dataclass(frozen=True)
class Model:
    """Describe one model.

    `melody_sibling` is the model that serves a melody sent to this one, where this one cannot.
    """

    name: str
    checkpoint: str
    size: str = "custom"
    melody: bool = False
    stereo: bool = False
    max_duration_s: float = 240.0  # the settings say
    melody_sibling: str | None = None

    @property
    def listed_name(self) -> str:
        """Return the name as the published APIs list it: `musicgen-small`. A model of one's own has one name."""
        return self.name if self.size in ("tiny", "custom") else f"musicgen-{self.name}"

    @property
    def quality(self) -> str:
        """Return one word for what to expect, as the published APIs list it."""
        return QUALITY.get(self.size, "custom")

    @property
    def queue(self) -> str:
        return queue_name(self.name)

    @property
    def licence(self) -> str | None:
        """Return the SPDX name of the weights' licence; None where only the operator knows it."""
        return None if self.size == "custom" else "CC0-1.0" if self.size == "tiny" else "CC-BY-NC-4.0"

    @property
    def vocabulary(self) -> Vocabulary | None:
        """Return the words that it takes up best; None where nobody has said them."""
        return None if self.size == "custom" else TINY if self.size == "tiny" else PUBLISHED_MODELS


def queue_name(model: str) -> str:
    """Return the Celery queue of a model's claim tickets."""
    return f"ostinato.{model}"


def _hub(name: str, size: str, *, melody: bool = False, sibling: str | None = None) -> Model:
    stereo = name.startswith("stereo-")
    return Model(name, f"facebook/musicgen-{name}", size, melody, stereo, melody_sibling=sibling)


QUALITY = {"300M": "good", "1.5B": "better", "3.3B": "best", "tiny": "draft"}  # by size
PUBLISHED = (
    Model("tiny", str(ROOT / "models" / "tiny"), "tiny", melody=True),
    _hub("small", "300M", sibling="melody"),
    _hub("medium", "1.5B", sibling="melody"),
    _hub("large", "3.3B", sibling="melody-large"),
    _hub("melody", "1.5B", melody=True),
    _hub("melody-large", "3.3B", melody=True),
    _hub("stereo-small", "300M", sibling="stereo-melody"),
    _hub("stereo-medium", "1.5B", sibling="stereo-melody"),
    _hub("stereo-large", "3.3B", sibling="stereo-melody-large"),
    _hub("stereo-melody", "1.5B", melody=True),
    _hub("stereo-melody-large", "3.3B", melody=True),
)


@dataclass(frozen=True)
class Choice:
    """Hold what a request's model name led to: the model that will make it, and the revision asked for, if any."""

    model: Model
    revision: str | None = None


class Catalog:
    """Look up models. `others` are those that live workers announce beyond the published ones."""

    def __init__(self, settings: Settings) -> None:
        self._aliases = settings.model_aliases
        self._models = {model.name: model for model in PUBLISHED}
        self._settings = settings
        for name, checkpoint in settings.model_checkpoints.items():
            known = self._models.get(name)
            self._models[name] = replace(known, checkpoint=checkpoint) if known else Model(name, checkpoint)
        self._models = {name: self._limited(model) for name, model in self._models.items()}

    def all(self) -> list[Model]:
        """Return every known model, aliases left aside."""
        return list(self._models.values())

    def choose(self, asked: str, *, melody: bool, others: Iterable[Model] = ()) -> Choice:
        """Choose the model for a request that names `asked`, aliases and melody siblings applied.

        Raises InvalidRequest with one field error, to be reported among the others.
        """
        name, _, revision = asked.strip().partition("@")
        models = self._with(others)
        model = self._find(name, models)
        if melody and not model.melody:
            model = self._sibling(model, models)
        return Choice(model, revision or None)

    def _with(self, others: Iterable[Model]) -> dict[str, Model]:
        """Add announced models: a live worker knows better what an operator's own can do."""
        announced = {other.name: other for other in others}
        published = {name: model for name, model in self._models.items() if model.size != "custom"}
        return self._models | announced | published

    def _find(self, name: str, models: dict[str, Model]) -> Model:
        short = name.removeprefix("facebook/").removeprefix("musicgen-")
        for candidate in (name, short):
            target = self._aliases.get(candidate, candidate)
            if target in models:
                return models[target]
        known = ", ".join(sorted(models))
        error = FieldError("model", f"unknown model; send one of: {known}", repr(name)[:80], "UNKNOWN_MODEL")
        raise InvalidRequest([error])

    def _sibling(self, model: Model, models: dict[str, Model]) -> Model:
        if model.melody_sibling:
            return self._find(model.melody_sibling, models)
        message = f"the model {model.name!r} takes no melody; ask for melody, melody-large or tiny, or send none"
        raise InvalidRequest([FieldError("melody", message, model.name, "MELODY_NOT_SUPPORTED")])

    def for_worker(self, configured: str) -> Model:
        """Return the model a worker is pinned to: a catalog name, a hub id, or a folder (named by its last part)."""
        return self._limited(self._configured(configured))

    def _limited(self, model: Model) -> Model:
        """Return the model with the duration limit of the settings."""
        settings = self._settings
        return replace(model, max_duration_s=settings.model_max_duration_s.get(model.name, settings.max_duration_s))

    def _configured(self, configured: str) -> Model:
        if configured in self._models:
            return self._models[configured]
        folder = Path(configured).expanduser()
        if folder.is_dir():
            return Model(folder.resolve().name, str(folder.resolve()))
        short = configured.removeprefix("facebook/").removeprefix("musicgen-")
        return self._models.get(short) or Model(configured, configured)
