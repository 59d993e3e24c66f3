"""The OpenAPI description against an independent validator, and against the routes and refusals that really are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.routes.tasks import TaskBody
from shared.music.request import FIELDS
from shared.settings import Settings
from shared.webhooks.subscription import EVENTS
from tools.generate_client_types import components
from tools.typescript_types import NAMES

ELSEWHERE = re.compile(r"""(?:src|href)\s*=\s*["'](?!/docs/)|url\(["']?(?:https?:)?//|@import""")


@pytest.fixture
def document(api: FlaskClient) -> dict[str, Any]:
    answer = api.get("/openapi.json")
    assert answer.content_type == "application/json"
    return dict(answer.get_json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_an_independent_validator_finds_nothing_wrong(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_bounds_of_numbers_that_may_be_left_out_are_described_too(document: dict[str, Any]) -> None:
    def keys_of(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(keys_of, schema))
        return set(schema) | set().union(*map(keys_of, schema.values())) if isinstance(schema, dict) else set()

    assert not keys_of(document) & {"ge", "le", "gt", "lt"}
    seed, _ = document["components"]["schemas"]["TaskBody"]["properties"]["seed"]["anyOf"]
    assert (seed["minimum"], seed["maximum"]) == (0, 2**53 - 1)


def test_every_route_is_described_and_nothing_else(api: FlaskClient, document: dict[str, Any]) -> None:
    real = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in api.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(method, path) for method, path, _ in operations(document)} == real


def test_a_method_that_is_not_described_is_a_405_that_names_those_that_are(
    api: FlaskClient, document: dict[str, Any]
) -> None:
    for path in document["paths"]:
        for method in ("PUT", "PATCH", "TRACE"):
            answer = api.open(re.sub(r"{\w+}", "x", path), method=method)
            assert answer.status_code == 405, path
            described = {method.upper() for method in document["paths"][path]}
            assert described <= set(answer.headers["Allow"].split(", ")), path


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_the_described_task_has_the_fields_of_the_table() -> None:
    described = TaskBody.model_json_schema()["properties"]
    assert set(described) == set(FIELDS)
    assert tuple(described["webhook_events"]["anyOf"][0]["items"]["enum"]) == EVENTS


def test_the_clients_types_are_written_from_what_the_server_describes(document: dict[str, Any]) -> None:
    described = document["components"]["schemas"]
    written_from = components()
    assert {name: described[name] for name in NAMES} == {name: written_from[name] for name in NAMES}


def test_the_body_of_a_webhook_is_described(document: dict[str, Any]) -> None:
    content = document["webhooks"]["deliveries"]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/TaskWebhook"}
    assert document["components"]["schemas"]["TaskWebhook"]["properties"]["type"]["enum"] == [
        f"task.{event}" for event in EVENTS
    ]


def test_the_examples_are_accepted_by_the_models(document: dict[str, Any]) -> None:
    found = 0
    for _, _, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if "example" in content:
            found += 1
            jsonschema.Draft202012Validator(content["schema"] | document).validate(content["example"])
    assert found >= 6


def test_without_a_key_every_operation_answers_401_as_described_or_is_described_as_open(
    open_api: Callable[[Settings], FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(api_keys=("secret",)))
    document = api.get("/openapi.json").get_json()
    for method, path, operation in operations(document):
        answer = api.open(re.sub(r"{\w+}", "x", path), method=method.upper())
        if operation.get("security") == []:
            assert answer.status_code != 401, path
            continue
        assert answer.status_code == 401, path
        schema = operation["responses"]["401"]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator(schema | document).validate(answer.get_json())


def test_the_page_and_all_that_it_needs_come_from_here(api: FlaskClient) -> None:
    page = api.get("/docs/")
    assert page.status_code == 200
    assert api.get("/docs").location.endswith("/docs/")
    assert '"url": "/openapi.json"' in page.text
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert any(name.endswith("swagger-ui-bundle.js") for name in needed)
    assert not ELSEWHERE.search(page.text)
    for name in needed:
        answer = api.get(name)
        assert answer.status_code == 200, name
        assert not name.endswith(".css") or not ELSEWHERE.search(answer.text), name


def test_the_page_needs_no_key(
    open_api: Callable[[Settings], FlaskClient], make_settings: Callable[..., Settings]
) -> None:
    api = open_api(make_settings(api_keys=("secret",)))
    assert [api.get(path).status_code for path in ("/docs/", "/openapi.json", "/models")] == [200, 200, 401]
