"""Name the settings of the API's processes: who may call, from where, and what is served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.page_origins import named_origins
from shared.settings.values import Names, Pairs, SettingsGroup


class ApiSettings(SettingsGroup):
    """Read by the API."""

    served_models: Names = Field(
        (), description="models whose jobs are accepted even while no worker for them lives, separated by commas"
    )
    runpod_endpoints: Pairs = Field(
        {},
        description="`9eb182ubs5j0jf=small`: the model of an endpoint under `/v2`; `*=small`: of every id of RunPod's "
        "form (`make up` sets that)",
    )
    api_keys: Annotated[Names, Field(repr=False)] = Field(
        (),
        description="keys for a start, an account each, separated by commas; better ones are made with "
        "`python -m api.keys` (docs/api/keys.md)",
    )
    insecure: bool = Field(
        False, description="`1` serves other machines though no key exists; without it such a server does not start"
    )
    bind_address: str | None = Field(
        None, description="where the port is published, if not where the server listens (compose)"
    )
    cors_origins: Annotated[Names, AfterValidator(named_origins)] = Field(
        (),
        description="pages that may call from a browser, by their origin; none named, the server's own "
        "(docs/api/keys.md)",
    )
    key_check_s: float = Field(
        4.0, gt=0, le=5, description="how often open streams ask whether their key is still good"
    )
    prompt_filter: str | None = Field(
        None,
        pattern=r"^[\w.]+:\w+$",
        description="`module:function` that may refuse prompts; `api.screening:words` refuses those with a word of "
        "a list",
    )
    prompt_filter_words: Path | None = Field(None, description="that list: a file with a word or phrase in each line")
    gunicorn_timeout: float = Field(
        300.0, gt=0, description="the longest request of gunicorn; a synchronous call answers before it"
    )
    prometheus_multiproc_dir: Path | None = Field(
        None, description="where the API's processes count together for `/metrics`; unset, a new folder in memory"
    )
