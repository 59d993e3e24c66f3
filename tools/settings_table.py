"""Write docs/settings.md from the settings' own descriptions: `python -m tools.settings_table`."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from shared.settings import API, HOUSEKEEPING, ROOT, WORKER, Settings
from shared.settings.values import SettingsGroup
from stack.services import StackSettings

PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings

Environment variables, or lines in `.env`. Lists are comma separated, pairs are `name=value,name=value`; times are in
seconds. A variable that is empty counts as unset. A bad one ends the start with a line that names it; each process
checks the groups that it reads. Written by `python -m tools.settings_table` from `shared/settings/`.
"""
TITLES = {
    "BrokerSettings": "Broker",
    "JobSettings": "Jobs",
    "ModelSettings": "Models",
    "StorageSettings": "Storage",
    "EncodingSettings": "Encoding",
    "LimitSettings": "Limits",
    "WebhookSettings": "Webhooks",
    "ApiSettings": "API",
    "WorkerSettings": "Worker",
}
PROCESSES = {"the API": API, "workers": WORKER, "housekeeping": HOUSEKEEPING}
SERVER = """
## The API's server

Read by `stack/gunicorn.conf.py` itself: `HOST` (`127.0.0.1`), `PORT` (`8000`), `WEB_CONCURRENCY` (`2`),
`GUNICORN_TIMEOUT` (`300`), `GUNICORN_GRACEFUL_TIMEOUT` (`30`: for how long a stopping API lets open requests finish).
"""


def page() -> str:
    """Return docs/settings.md as it should be."""
    groups = [kind for kind in Settings.__mro__ if kind.__name__ in TITLES]
    own = {name: field for name, field in StackSettings.model_fields.items() if name not in Settings.model_fields}
    stack = section("`make up`", "Read by `make up` alone.", own)
    return "\n".join([HEAD, *(_group(kind) for kind in groups), stack]) + SERVER


def _group(kind: type[SettingsGroup]) -> str:
    readers = [name for name, groups in PROCESSES.items() if kind in groups]
    return section(TITLES[kind.__name__], f"Read by {', '.join(readers)}.", dict(kind.model_fields))


def section(title: str, readers: str, fields: dict[str, FieldInfo]) -> str:
    """Return one heading with a table of settings."""
    rows = [f"| `{name.upper()}` | {default_of(field)} | {field.description} |" for name, field in fields.items()]
    return "\n".join(
        [f"## {title}", "", readers, "", "| variable | default | what it is |", "|---|---|---|", *rows, ""]
    )


def default_of(field: FieldInfo) -> str:
    """Return a default as one would write it in the environment; nothing where there is none."""
    default = field.default
    if default is None or default in ((), {}):
        return ""
    if isinstance(default, bool):
        return f"`{int(default)}`"
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT).as_posix()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    PAGE.write_text(page())
