"""Read the settings once from the environment, at each entry point. Nothing else reads the environment.

Every field is an environment variable of the same name in capitals, or a line of a `.env` file. Lists are
comma separated (`SERVED_MODELS=tiny,small`), mappings are comma-separated pairs (`MODEL_ALIASES=small=tiny`). The
fields stand in groups; each kind of process checks those of its own groups, so that a mistake in a worker's setting
stops no API. docs/settings.md is generated from their descriptions (tools/settings_table.py).
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from shared.errors import ConfigurationError
from shared.settings.api import ApiSettings
from shared.settings.encoding import EncodingSettings
from shared.settings.jobs import BrokerSettings, JobSettings
from shared.settings.limits import LimitSettings
from shared.settings.models import ModelSettings
from shared.settings.storage import StorageSettings
from shared.settings.values import ROOT, SECRET_PREFIX, STORE_PREFIX, SettingsGroup
from shared.settings.webhooks import WebhookSettings
from shared.settings.worker import WorkerSettings

__all__ = [
    "API",
    "HOUSEKEEPING",
    "ROOT",
    "SECRET_PREFIX",
    "STORE_PREFIX",
    "WORKER",
    "Settings",
    "read_environment",
    "read_settings",
]

Groups = tuple[type[SettingsGroup], ...]
_EVERYWHERE: Groups = (BrokerSettings, JobSettings, ModelSettings, StorageSettings)
API: Groups = (*_EVERYWHERE, EncodingSettings, LimitSettings, WebhookSettings, ApiSettings)
WORKER: Groups = (*_EVERYWHERE, EncodingSettings, WorkerSettings)
HOUSEKEEPING: Groups = (*_EVERYWHERE, WebhookSettings)

S = TypeVar("S", bound=SettingsGroup)
PREFIX = "bad settings: "


class Settings(
    BrokerSettings,
    JobSettings,
    ModelSettings,
    StorageSettings,
    EncodingSettings,
    LimitSettings,
    WebhookSettings,
    ApiSettings,
    WorkerSettings,
):
    """Hold all settings. What a process of one kind does not read has its default there."""


def read_settings(groups: Groups | None = None) -> Settings:
    """Return the settings of this process's environment; those outside of `groups`, where given, at their defaults.

    Raises ConfigurationError that names each bad variable of these groups.
    """
    if groups is None:
        return read_environment(Settings)
    given: dict[str, Any] = {}
    own: set[str] = set()
    errors: list[str] = []
    for group in groups:
        try:
            found = read_environment(group)
        except ConfigurationError as error:
            errors.append(error.message.removeprefix(PREFIX))
            continue
        given |= dict(found)
        own |= found.model_fields_set
    if errors:
        raise ConfigurationError(PREFIX + "; ".join(errors))
    return Settings.model_construct(own, **given)


def read_environment(kind: type[S], **given: Any) -> S:
    """Return the settings of one kind; those `given` are not looked up.

    Raises ConfigurationError that names each bad variable.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise ConfigurationError(PREFIX + "; ".join(lines)) from error
