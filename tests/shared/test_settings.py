from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.settings import API, HOUSEKEEPING, ROOT, WORKER, Settings, read_settings
from shared.settings.values import SettingsGroup
from tools import settings_table


def test_lists_and_pairs_are_read_from_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVED_MODELS", "tiny, small")
    monkeypatch.setenv("MODEL_ALIASES", "small=tiny,medium = tiny")
    settings = read_settings()
    assert settings.served_models == ("tiny", "small")
    assert settings.model_aliases == {"small": "tiny", "medium": "tiny"}


def test_an_empty_variable_is_as_if_it_were_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_QUEUE_LENGTH", "")
    assert read_settings().max_queue_length == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_QUEUE_LENGTH", "many"), ("MODEL_ALIASES", "small"), ("DEVICE", "tpu"), ("S3_URL_TTL_S", "99999999")],
)
def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        read_settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings(_env_file=None).model = "other"  # type: ignore[call-arg,misc]


def test_a_dotenv_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DEFAULT_MODEL=large\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEFAULT_MODEL", raising=False)
    assert read_settings().default_model == "large"


@pytest.mark.parametrize(
    ("written", "prefix"), [("ostinato", "ostinato"), ("a-b/music_2/", "a-b/music_2"), ("", "ostinato")]
)
def test_the_stores_prefix_is_a_plain_folder(monkeypatch: pytest.MonkeyPatch, written: str, prefix: str) -> None:
    monkeypatch.setenv("S3_PREFIX", written)
    assert read_settings().s3_prefix == prefix


@pytest.mark.parametrize("bad", ["/", "/etc", "..", "a/../b", "a//b", ".hidden", "a/.b", "a b", "ä", "a\b", "x" * 201])
def test_a_prefix_that_could_lead_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("S3_PREFIX", bad)
    with pytest.raises(ConfigurationError, match=r"S3_PREFIX.*beginning with a letter or a digit"):
        read_settings()


def test_a_mistake_in_a_workers_setting_stops_no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOTS", "many")
    monkeypatch.setenv("MAX_QUEUE_LENGTH", "7")
    settings = read_settings(API)
    assert (settings.max_queue_length, settings.slots) == (7, None)
    with pytest.raises(ConfigurationError, match="SLOTS"):
        read_settings(WORKER)


def test_the_bad_settings_of_all_groups_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_S", "0")
    monkeypatch.setenv("MAX_BODY_MB", "0")
    with pytest.raises(ConfigurationError, match=r"^bad settings: LEASE_S: .*; MAX_BODY_MB: "):
        read_settings(API)


def test_what_was_set_and_what_was_not_can_still_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_S", "3")
    assert "lease_s" in read_settings(WORKER).model_fields_set
    assert "max_attempts" not in read_settings(WORKER).model_fields_set


@pytest.mark.parametrize(
    ("entries", "groups"),
    [
        (("api.wsgi", "api.keys", "api.exposure", "api.screening"), API),
        (("worker.app", "worker.tasks", "worker.weights"), WORKER),
        (("housekeeping.__main__", "housekeeping.secrets"), HOUSEKEEPING),
    ],
    ids=["api", "worker", "housekeeping"],
)
def test_a_process_reads_no_setting_outside_of_its_groups(
    entries: tuple[str, ...], groups: tuple[type[SettingsGroup], ...]
) -> None:
    """Those it would find at their defaults, whatever the environment says."""
    own = {name for group in groups for name in group.model_fields}
    folders = (entries[0].partition(".")[0], "shared")
    read = {
        (module, found)
        for module in reached_from(entries)
        if module.partition(".")[0] in folders
        for found in re.findall(r"\bsettings\.(\w+)", path_of(module).read_text())
        if found in Settings.model_fields
    }
    assert len(read) > 5
    of_workers = {("shared.workers.registry", "worker_name")}  # a function of it that only workers call
    assert {each for each in read if each[1] not in own} - of_workers == set()


def path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"


def reached_from(entries: tuple[str, ...]) -> set[str]:
    """Every module of ours that these import, and those that they import."""
    found: set[str] = set()
    left = list(entries)
    while left:
        module = left.pop()
        if module in found or not path_of(module).exists():
            continue
        found.add(module)
        for node in ast.walk(ast.parse(path_of(module).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                left += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def test_every_setting_is_described_and_the_page_says_what_the_code_does() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert settings_table.PAGE.read_text() == settings_table.page(), "run python -m tools.settings_table"
