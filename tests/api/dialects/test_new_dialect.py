"""Put a published API beside the others from outside: a folder for the API, and one module for its webhooks.

No other file knows of it, and it has all that the others have.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
import redis
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from standardwebhooks import Webhook as Verifier

from api import dialects as api_dialects
from api.app import create_app
from api.auth.keys import Allowance, Keys
from api.dialects.registry import find_dialects
from shared import dialects as shared_dialects
from shared.jobs.store import JobStore
from shared.settings import Settings
from tests.api.dialects.conftest import ALIASES, Player
from tests.housekeeping.webhooks.conftest import SECRET, dispatching, first
from tests.housekeeping.webhooks.receiver import receiver

HERE = Path(__file__).parent / "new_dialect"
HUMS, USAGE = "/tasks/hummed/hums", "/tasks/hummed/usage"
WISH = {"wish": "a calm sea"}


@pytest.fixture(autouse=True)
def hummed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Show the new folder and the new module as if they lay beside the others."""
    monkeypatch.setattr(api_dialects, "__path__", [*api_dialects.__path__, str(HERE / "api_dialects")])
    monkeypatch.setattr(shared_dialects, "__path__", [*shared_dialects.__path__, str(HERE / "shared_dialects")])
    yield
    for package in (api_dialects, shared_dialects):
        sys.modules.pop(f"{package.__name__}.hummed", None)
        package.__dict__.pop("hummed", None)


@pytest.fixture
def dialect_settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(
        model_aliases=ALIASES, default_model="small", webhook_allow_private=True, webhook_secret=(SECRET,)
    )


def hummed_id(api: FlaskClient, **how: object) -> str:
    response = api.post(HUMS, json=WISH, **how)
    assert response.status_code == 202, response.text
    return str(response.get_json()["hum"])


def test_its_job_is_made_and_names_it_in_the_record(api: FlaskClient, player: Player, store: JobStore) -> None:
    hum_id = hummed_id(api)
    while api.post(f"{HUMS}/{hum_id}").get_json() != {"hum": hum_id, "state": "hummed"}:
        time.sleep(0.02)
    assert store.reader.get(hum_id).source == "hummed"
    again = [api.post(HUMS, json=WISH, headers={"Idempotency-Key": "once"}).get_json() for _ in range(2)]
    assert again[0]["hum"] == again[1]["hum"] != hum_id


def test_its_routes_are_described_with_its_own_errors(api: FlaskClient) -> None:
    document = api.get("/openapi.json").get_json()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert "hummed" in [tag["name"] for tag in document["tags"]]
    operations = {
        path: operation
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if operation["tags"] == ["hummed"]
    }
    assert set(operations) == {HUMS, f"{HUMS}/{{hum_id}}", USAGE}
    assert [path for path, operation in operations.items() if operation.get("security") == []] == [USAGE]
    refused = api.post(HUMS, json={})
    described = operations[HUMS]["responses"][str(refused.status_code)]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(described | document).validate(refused.get_json())


def test_its_errors_are_told_in_its_own_words_and_those_of_its_neighbours_in_theirs(api: FlaskClient) -> None:
    assert api.post(HUMS, json={"prompt": "x"}).get_json() == {
        "wrong": "no hum with such a wish; hums know no prompt",
        "status": 400,
    }
    assert api.post(HUMS, json=WISH | {"call_me": "nowhere"}).get_json()["wrong"].startswith("webhook_url: ")
    for path, status in ((f"{HUMS}/unknown", 404), ("/tasks/hummed/elsewhere", 404), (USAGE, 405)):
        refused = api.post(path)
        assert (refused.status_code, set(refused.get_json())) == (status, {"wrong", "status"}), path
    assert set(api.get("/tasks/hummed").get_json()) == {"error", "error_code", "error_details", "status"}
    assert set(api.delete("/tasks/hummed").get_json()["error"]) == {"code", "message", "details"}


def test_it_needs_a_key_once_keys_exist_but_where_it_says_that_it_is_open(
    api: FlaskClient, client: redis.Redis
) -> None:
    key, _ = Keys(client).create("one", Allowance())
    other, _ = Keys(client).create("two", Allowance())
    hum_id = hummed_id(api, headers={"X-API-Key": key})
    for path in (HUMS, f"{HUMS}/{hum_id}"):
        refused = api.post(path, json=WISH)
        assert (refused.status_code, refused.get_json()["status"]) == (401, 401), path
    assert api.post(f"{HUMS}/{hum_id}", headers={"X-API-Key": other}).status_code == 404
    assert api.get(USAGE).status_code == 200


def test_its_submissions_are_limited_and_what_it_only_asks_by_post_is_a_poll(
    api: FlaskClient, client: redis.Redis
) -> None:
    how = {"headers": {"X-API-Key": Keys(client).create("one", Allowance(rpm=1))[0]}}
    hum_id = hummed_id(api, **how)
    refused = api.post(HUMS, json=WISH, **how)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "1 submissions a minute" in refused.get_json()["wrong"]
    assert api.post(f"{HUMS}/{hum_id}", **how).status_code == 200


def test_a_foreign_page_may_not_hum_while_no_key_exists(api: FlaskClient, client: redis.Redis) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        refused = api.post(HUMS, json=WISH, headers=headers)
        assert (refused.status_code, refused.get_json()["status"]) == (403, 403)
        assert "evil.example" in refused.get_json()["wrong"]
    assert not client.keys("ostinato:job:*")
    page = {"Origin": "https://evil.example"}
    assert api.get(USAGE, headers=page).headers["Access-Control-Allow-Origin"] == page["Origin"]
    assert "Access-Control-Allow-Origin" not in api.post(HUMS, json=WISH, headers=page).headers


def test_its_webhook_has_its_own_body_and_a_native_task_the_native_one(
    api: FlaskClient, dialect_settings: Settings
) -> None:
    with receiver() as hooks, dispatching(dialect_settings):
        sent = WISH | {"call_me": hooks.url("/hum")}
        hum_id = api.post(HUMS, json=sent).get_json()["hum"]
        task = {"prompt": "calm piano", "duration": 1, "webhook_url": hooks.url("/task")}
        assert api.post("/tasks", json=task).status_code == 202
        seen = first(hooks, "/hum")
        native = first(hooks, "/task")
    Verifier(SECRET).verify(seen.body, seen.headers)
    link = f"http://localhost/tasks/{hum_id}/audio"
    assert seen.data == {"hum": hum_id, "was": "completed", "listen_at": link}
    assert native.data["type"] == "task.completed"


def test_a_folder_without_a_dialect_of_its_name_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "__init__.py").write_text("from api.dialects.srocks import DIALECT\n")
    monkeypatch.setattr(api_dialects, "__path__", [*api_dialects.__path__, str(tmp_path)])
    with pytest.raises(TypeError, match=r"api/dialects/wrong must export DIALECT"):
        find_dialects()


def test_without_its_folder_nothing_of_it_is_there(
    monkeypatch: pytest.MonkeyPatch, dialect_settings: Settings, client: redis.Redis
) -> None:
    monkeypatch.undo()
    api = create_app(dialect_settings).test_client()
    assert api.get(USAGE).status_code == 404
    assert HUMS not in api.get("/openapi.json").get_json()["paths"]
