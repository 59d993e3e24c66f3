"""An operator at /admin/api, whose every answer is held to the description."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient

from tests.api.operators import OPERATOR


@dataclass
class OperatorClient:
    """Ask as whoever sits at the machine, or with `headers`, and expect a status and a described answer."""

    api: FlaskClient
    document: dict[str, Any]
    headers: dict[str, str] = field(default_factory=lambda: dict(OPERATOR))

    def __call__(self, method: str, path: str, status: int = 200, **how: Any) -> Any:
        answer = self.api.open(f"/admin/api{path}", method=method, headers=self.headers, **how)
        assert answer.status_code == status, answer.text
        self.expect_described(method.lower(), f"/admin/api{path.partition('?')[0]}", str(status), answer.json)
        return answer.json

    def expect_described(self, method: str, path: str, status: str, body: object) -> None:
        pattern = next(each for each in self.document["paths"] if re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), path))
        responses = self.document["paths"][pattern][method]["responses"]
        assert status in responses, f"{method} {pattern} is not said to answer {status}"
        schema = responses[status]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator(schema | {"components": self.document["components"]}).validate(body)


@pytest.fixture
def operator(api: FlaskClient) -> OperatorClient:
    return OperatorClient(api, api.get("/openapi.json").json or {})


@pytest.fixture
def audited(operator: OperatorClient) -> Callable[[], list[tuple[str, str, str]]]:
    """Return what is in the audit log, the newest first: action, target, outcome."""

    def audited() -> list[tuple[str, str, str]]:
        entries = operator("GET", "/audit")["entries"]
        return [(entry["action"], entry["target"], entry["outcome"]) for entry in entries]

    return audited
