from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.settings import Settings, read_settings


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
