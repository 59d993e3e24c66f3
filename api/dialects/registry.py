"""Find the native API and every published API that has a folder here, for all parts of the application.

A folder is found by being there: nothing else names it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from functools import reduce
from importlib import import_module
from operator import or_

from flask import Flask

import api.dialects
from api.auth.path_rules import PathRules
from api.dialects.dialect import Dialect, Services
from api.dialects.native import NATIVE
from api.handlers.task_overrides import TaskOverrides
from api.http.error_handlers import ErrorRenderer
from api.openapi.operations import Section


def find_dialects() -> Dialects:
    """Import every folder of api/dialects. Raises TypeError for one that exports no DIALECT under its own name."""
    folders = sorted(module.name for module in pkgutil.iter_modules(api.dialects.__path__) if module.ispkg)
    return Dialects([NATIVE, *map(_load, folders)])


def _load(folder: str) -> Dialect:
    found = getattr(import_module(f"api.dialects.{folder}"), "DIALECT", None)
    if not isinstance(found, Dialect) or found.name != folder:
        raise TypeError(f"api/dialects/{folder} must export DIALECT, a Dialect whose name is {folder!r}")
    return found


class Dialects:
    """Gather what authentication, limits, errors and the OpenAPI description read of all dialects."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._dialects = tuple(dialects)

    def register(self, app: Flask, services: Services) -> None:
        """Add every dialect's routes to the application."""
        for dialect in self._dialects:
            for blueprint in dialect.blueprints(services):
                app.register_blueprint(blueprint)
        app.extensions["task_overrides"] = self._task_overrides()

    @property
    def path_rules(self) -> PathRules:
        """Return which addresses need no key, and which a signed link opens as a key would."""
        return reduce(or_, (dialect.path_rules for dialect in self._dialects))

    @property
    def sections(self) -> list[Section]:
        """Return the sections of the OpenAPI description."""
        return [section for dialect in self._dialects for section in dialect.sections]

    @property
    def polls_by_post(self) -> frozenset[str]:
        """Return the routes, as Flask writes them, that are posted and make nothing: they count as polls."""
        operations = (operation for section in self.sections for operation in section.operations)
        return frozenset(one.path for one in operations if one.method == "POST" and not one.submits)

    @property
    def error_renderers(self) -> list[ErrorRenderer]:
        """Return who renders the errors of which addresses and routes."""
        by_path = [ErrorRenderer(dialect.render_error, paths=dialect.paths) for dialect in self._dialects]
        single = [each for dialect in self._dialects for each in dialect.endpoint_errors.items()]
        return [*by_path, *(ErrorRenderer(render, endpoints=(endpoint,)) for endpoint, render in single)]

    def _task_overrides(self) -> Mapping[str, TaskOverrides]:
        return {source: found for dialect in self._dialects for source, found in dialect.task_overrides.items()}
