"""Write the types of both clients from the description of the API.

    python -m tools.generate_client_types

The description is that of /openapi.json: what is built, described and typed by the clients has one spelling.
datamodel-code-generator and openapi-typescript know neither the clients' public names nor an event's data as JSON
within a string, which is why the few forms that responses have are written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.dialects.registry import find_dialects
from api.openapi.builder import describe
from shared.settings import ROOT
from tools.python_types import python_types
from tools.typescript_types import typescript_types

PYTHON = ROOT / "clients" / "python" / "music_gen" / "responses.py"
TYPESCRIPT = ROOT / "clients" / "js" / "src" / "responses.d.ts"


def components() -> dict[str, Any]:
    """Return the schemas of the description."""
    dialects = find_dialects()
    document = describe(dialects.sections, dialects.path_rules.is_open)
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def written(components: Mapping[str, Any]) -> dict[Path, str]:
    """Return each file's text."""
    return {PYTHON: python_types(components), TYPESCRIPT: typescript_types(components)}


def main() -> None:
    for path, text in written(components()).items():
        path.write_text(text)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
