"""The prompt filter: off by default, a list of words, a hook of the operator's own, one that fails."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services.prompt_filter import words
from shared.errors import ConfigurationError
from shared.settings import Settings
from tests.api.dialects.test_keys_everywhere import ROUTES

WORDS = "api.screening:words"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("# not here\nforbidden\nvery  bad idea # a phrase\n\nCAF\u00c9\n", encoding="utf-8")
    return path


@pytest.fixture
def hook() -> Iterator[types.ModuleType]:
    module = types.ModuleType("a_filter_of_a_test")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_words_are_found_whole_in_any_case_spacing_and_encoding(
    make_settings: Callable[..., Settings], listed: Path
) -> None:
    settings = make_settings(prompt_filter_words=listed)
    for refused in ("a Forbidden song", "FORBIDDEN", "a very bad\n idea!", "cafe\u0301 music", "\uff46orbidden"):
        assert words(refused, settings) is not None, refused
    for fine in ("calm piano", "unforbidden", "forbidden1", "very bad, idea", "cafe", "not here"):
        assert words(fine, settings) is None, fine


@pytest.mark.parametrize("dialect", ROUTES)
def test_a_refusal_is_told_in_the_dialects_words_and_nothing_is_submitted(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], listed: Path, dialect: str
) -> None:
    aliases = dict.fromkeys(("small", "medium"), "tiny")
    api = open_api(make_settings(prompt_filter=WORDS, prompt_filter_words=listed, model_aliases=aliases))
    path, body = ROUTES[dialect]
    body = _with_prompt(body, "a forbidden song")
    answer = api.post(path, json=body)
    assert answer.status_code == (200 if dialect == "runpod" else 400)
    told = answer.json
    assert told is not None
    assert "not allowed here" in str(told)
    assert dialect != "runpod" or told["status"] == "FAILED"
    assert dialect not in ("tasks", "musicgen_ai") or told["error"]["code"] == "PROMPT_REFUSED"
    assert (api.get("/tasks").json or {})["total"] == 0


def _with_prompt(body: dict[str, Any], prompt: str) -> dict[str, Any]:
    return {
        name: _with_prompt(value, prompt) if isinstance(value, dict) else prompt if value == "x" else value
        for name, value in body.items()
    }


def test_without_a_filter_every_prompt_passes(api: FlaskClient) -> None:
    assert api.post("/tasks", json={"prompt": "a forbidden song"}).status_code == 202


def test_a_hook_of_ones_own_says_why(
    open_api: Callable[..., FlaskClient], make_settings: Callable[..., Settings], hook: types.ModuleType
) -> None:
    hook.check = lambda prompt, settings: "is about trains" if "train" in prompt else None  # type: ignore[attr-defined]
    api = open_api(make_settings(prompt_filter="a_filter_of_a_test:check"))
    assert api.post("/tasks", json={"prompt": "a train song"}).json["error"]["message"] == "prompt: is about trains"
    assert api.post("/tasks", json={"prompt": "a plane song"}).status_code == 202


def test_a_hook_that_fails_refuses_nothing_lets_nothing_through_and_loses_nothing(
    open_api: Callable[..., FlaskClient],
    make_settings: Callable[..., Settings],
    hook: types.ModuleType,
    caplog: pytest.LogCaptureFixture,
) -> None:
    down = [False]

    def check(prompt: str, settings: Settings) -> str | None:
        if down[0]:
            raise RuntimeError("its server is away")
        return None

    hook.check = check  # type: ignore[attr-defined]
    api = open_api(make_settings(prompt_filter="a_filter_of_a_test:check"))
    down[0] = True
    answer = api.post("/tasks", json={"prompt": "calm piano"}, headers={"Idempotency-Key": "once"})
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "PROMPT_FILTER_FAILED"
    assert int(answer.headers["Retry-After"]) >= 1
    assert "away" not in answer.get_data(as_text=True)
    assert "its server is away" in caplog.text
    down[0] = False
    again = api.post("/tasks", json={"prompt": "calm piano"}, headers={"Idempotency-Key": "once"})
    assert again.status_code == 202
    assert "Idempotency-Replayed" not in again.headers


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("no_such_module:check", "cannot be loaded"),
        ("api.screening:no_such_function", "cannot be loaded"),
        ("api.services.prompt_filter:TRIAL", "is no function"),
        ("a_filter_of_a_test:raises", "fails"),
        ("a_filter_of_a_test:says_yes", "None or a text"),
        ("api.screening:words", "PROMPT_FILTER_WORDS"),
    ],
)
def test_a_hook_that_cannot_work_is_an_error_at_boot(
    make_settings: Callable[..., Settings], hook: types.ModuleType, name: str, remedy: str
) -> None:
    hook.raises = lambda prompt, settings: 1 / 0  # type: ignore[attr-defined]
    hook.says_yes = lambda prompt, settings: True  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match=remedy):
        create_app(make_settings(prompt_filter=name))


def test_a_list_that_cannot_be_read_or_is_empty_is_an_error_at_boot(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.write_text("# nothing\n")
    for path, remedy in ((tmp_path / "none", "cannot be read"), (empty, "holds no word")):
        with pytest.raises(ConfigurationError, match=remedy):
            create_app(make_settings(prompt_filter=WORDS, prompt_filter_words=path))
