"""The OpenAPI description against an independent validator, and against the routes and refusals that really are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from api.openapi.builder import describe
from api.openapi.operations import Operation, Section
from api.openapi.schemas import NativeError
from api.routes import tasks
from mixing.effects import EFFECTS
from shared.music.request import FIELDS
from shared.settings import Settings
from shared.webhooks.subscription import EVENTS
from tests.api.operators import OPERATOR
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


def schemas_in(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the description, the schemas among them."""
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from schemas_in(each)


def fields_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            yield f"{name}.{field}", described


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the components that stand for what is sent, by their names."""
    for _, _, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"]["$ref"].rpartition("/")[2]
            yield name, document["components"]["schemas"][name]


def test_the_bounds_of_numbers_that_may_be_left_out_are_described_too(document: dict[str, Any]) -> None:
    assert not [one for one in schemas_in(document) if {"ge", "le", "gt", "lt"} & set(one)]
    seed, _ = document["components"]["schemas"]["TaskBody"]["properties"]["seed"]["anyOf"]
    assert (seed["minimum"], seed["maximum"]) == (0, 2**53 - 1)


def test_every_field_has_a_type(document: dict[str, Any]) -> None:
    assert [
        name for name, field in fields_of(document) if not {"type", "$ref", "anyOf", "oneOf", "const"} & set(field)
    ] == []


def test_schemas_are_called_by_public_words(document: dict[str, Any]) -> None:
    assert [name for name in document["components"]["schemas"] if not re.fullmatch(r"([A-Z][a-z0-9]*)+", name)] == []


def test_two_classes_of_one_name_are_refused_and_not_told_apart_by_their_modules() -> None:
    def section(body: type[BaseModel]) -> Section:
        return Section("s", "", [Operation("POST", "/x", "x", "", {200: NativeError}, body=body)], NativeError)

    class TaskBody(BaseModel):
        field: str

    with pytest.raises(ValueError, match=r"two classes of one name.*TaskBody"):
        describe([section(TaskBody), section(tasks.TaskBody)], lambda path: False)


def test_audio_and_files_are_binary(document: dict[str, Any]) -> None:
    found = 0
    for _, path, operation in operations(document):
        contents = [each for answer in operation["responses"].values() for each in answer.get("content", {}).items()]
        for media, content in contents:
            if media.startswith(("audio/", "image/")):
                found += 1
                assert content["schema"] == {"type": "string", "format": "binary"}, path
    assert found >= 24
    form = document["components"]["schemas"]["TaskForm"]["properties"]
    assert (form["melody"]["format"], form["continue_audio"]["format"]) == ("binary", "binary")


def test_a_field_that_may_be_left_out_may_be_null_and_has_no_default_that_a_client_would_send(
    document: dict[str, Any],
) -> None:
    for name, body in bodies(document):
        for field, described in body["properties"].items():
            assert "default" not in described, f"{name}.{field}"
            if field not in body.get("required", ()) and not name.endswith("Form"):
                kinds = described.get("anyOf", [described])
                assert any(kind.get("type") == "null" for kind in kinds), f"{name}.{field}"
    described = document["components"]["schemas"]["TaskBody"]["properties"]
    assert [kind.get("default") for kind in described["model"]["anyOf"]] == [None, None]
    assert [kind.get("default") for kind in described["duration"]["anyOf"]] == [8.0, None]


def test_a_form_has_no_null_and_no_list(document: dict[str, Any]) -> None:
    forms = {name: body for name, body in bodies(document) if name.endswith("Form")}
    assert forms.keys() >= {"TaskForm", "MelodyForm"}
    for form in forms.values():
        assert not [one for one in schemas_in(form) if one.get("type") in ("null", "array")]


def test_examples_and_defaults_fit_their_schemas(document: dict[str, Any]) -> None:
    found = 0
    for schema in schemas_in(document):
        values = [*schema.get("examples", ()), *(schema[key] for key in ("default", "example") if key in schema)]
        is_schema = isinstance(schema.get("type", ""), str) and {"type", "$ref", "anyOf", "schema"} & set(schema)
        for value in values if is_schema else ():
            found += 1
            jsonschema.Draft202012Validator(schema.get("schema", schema) | document).validate(value)
    assert found >= 40


def test_what_has_several_shapes_has_a_property_that_tells_which(document: dict[str, Any]) -> None:
    submitted = document["paths"]["/tasks"]["post"]["responses"]["202"]["content"]["application/json"]["schema"]
    assert submitted["discriminator"] == {
        "propertyName": "kind",
        "mapping": {"task": "#/components/schemas/SubmittedTask", "batch": "#/components/schemas/SubmittedBatch"},
    }
    events = document["paths"]["/tasks/{task_id}/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    mapping = events["schema"]["discriminator"]["mapping"]
    assert (mapping["failed"], mapping["gone"]) == ("#/components/schemas/EndedEvent", "#/components/schemas/GoneEvent")
    effect = document["components"]["schemas"]["CompositionBody"]["properties"]["effects"]["anyOf"][0]
    assert set(effect["additionalProperties"]["items"]["discriminator"]["mapping"]) == set(EFFECTS)


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
        address = re.sub(r"{\w+}", "x", path)
        described = {method.upper() for method in document["paths"][path]}
        taken = api.application.url_map.bind("localhost").allowed_methods(address)  # also by /tasks/<task_id>
        for method in {"PUT", "PATCH", "TRACE"}.difference(taken):
            answer = api.open(address, method=method, headers=OPERATOR)
            assert answer.status_code == 405, path
            assert described <= set(answer.headers["Allow"].split(", ")), path


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9]*([A-Z][a-z0-9]+)*", name)] == []
    assert {"submitTask", "getTask", "cancelTask", "getTaskAudio", "submitBatch", "listModels"} <= set(names)


def test_the_described_task_has_the_fields_of_the_table() -> None:
    described = tasks.TaskBody.model_json_schema()["properties"]
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
