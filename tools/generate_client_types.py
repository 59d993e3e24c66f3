"""Write the types of both clients: of responses from the API's description, of parameters from its request fields.

    python -m tools.generate_client_types

The description is that of /openapi.json: what is built, described and typed by the clients has one spelling.
datamodel-code-generator and openapi-typescript know neither the clients' public names nor an event's data as JSON
within a string, which is why the few forms that responses have are written here. Who takes a field of a request, the
description does not say: `FIELDS` of shared/music/request.py does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from api.dialects.registry import find_dialects
from api.openapi.builder import describe
from shared.settings import ROOT
from tools.python_admin_types import python_admin_access_types, python_admin_types
from tools.python_request_types import python_request_types
from tools.python_types import python_types
from tools.request_parameters import Parameter, parameters
from tools.typescript_request_types import typescript_request_types
from tools.typescript_types import typescript_types

PYTHON = ROOT / "clients" / "python" / "music_gen" / "responses.py"
PYTHON_REQUESTS = PYTHON.with_name("request_fields.py")
PYTHON_ADMIN = PYTHON.with_name("admin_types.py")
PYTHON_ADMIN_ACCESS = PYTHON.with_name("admin_access_types.py")
TYPESCRIPT = ROOT / "clients" / "js" / "src" / "responses.d.ts"
TYPESCRIPT_REQUESTS = TYPESCRIPT.with_name("requests.d.ts")


def components() -> dict[str, Any]:
    """Return the schemas of the description."""
    dialects = find_dialects()
    document = describe(dialects.sections, dialects.path_rules.is_open)
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def written(components: Mapping[str, Any]) -> dict[Path, str]:
    """Return the text of each file of responses."""
    return {
        PYTHON: python_types(components),
        PYTHON_ADMIN: python_admin_types(components),
        PYTHON_ADMIN_ACCESS: python_admin_access_types(components),
        TYPESCRIPT: typescript_types(components),
    }


def written_requests(fields: Sequence[Parameter]) -> dict[Path, str]:
    """Return the text of each file of parameters."""
    return {PYTHON_REQUESTS: python_request_types(fields), TYPESCRIPT_REQUESTS: typescript_request_types(fields)}


def main() -> None:
    texts = written(components()) | written_requests(tuple(parameters()))
    for path, text in texts.items():
        path.write_text(text)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
