"""Find the model of RunPod's endpoint, which is its name or an id that RUNPOD_ENDPOINTS names."""

from __future__ import annotations

import re

from api.services.job_service import JobService
from shared.errors import InvalidRequest, NotFound
from shared.music.catalog import Model
from shared.settings import Settings

ANY = "*"  # of RUNPOD_ENDPOINTS: every id that RunPod could have given
# What RunPod draws for an endpoint; a mistyped model's name must not be taken for one
MODEL_WORDS = "musicgen|audiogen|magnet|acestep|stereo|melody|small|medium|large|tiny"
RUNPOD_ID = re.compile(rf"(?!.*(?:{MODEL_WORDS}))[a-z0-9]{{14}}")


class Endpoints:
    """Find an endpoint, and the model that it serves."""

    def __init__(self, job_service: JobService, settings: Settings) -> None:
        self._job_service = job_service
        self._named = {name: model for name, model in settings.runpod_endpoints.items() if name != ANY}
        self._of_any = settings.runpod_endpoints.get(ANY)

    def model_of(self, endpoint: str) -> Model:
        """Return the model that an endpoint leads to. Raises NotFound."""
        asked = self._named.get(endpoint, endpoint)
        try:
            return self._job_service.model_service.model_named(asked)
        except InvalidRequest as error:
            if self._of_any and asked == endpoint and RUNPOD_ID.fullmatch(endpoint):
                return self._job_service.model_service.model_named(self._of_any)
            found = f"{endpoint[:80]!r}" if asked == endpoint else f"{endpoint[:80]!r}: RUNPOD_ENDPOINTS says {asked!r}"
            remedy = "name a model of GET /models, or an id that RUNPOD_ENDPOINTS names"
            raise NotFound(f"no endpoint {found}; {remedy}") from error

    def has_jobs_of(self, endpoint: str, made_by: str) -> bool:
        """Return whether it is the endpoint's model, or the one that hears the melodies sent to it. Raises NotFound."""
        model = self.model_of(endpoint)
        sibling = model.melody_sibling
        return made_by == model.name or (
            sibling is not None and made_by == self._job_service.model_service.model_named(sibling).name
        )

    def remark(self, endpoint: str, made_by: str) -> str:
        """Return what the output says of a job's model, where the endpoint is not its name; empty otherwise."""
        model = self.model_of(endpoint)
        is_its_name = made_by == model.name and endpoint in (model.name, model.listed_name)
        return "" if is_its_name else f"the endpoint {endpoint} is served by the model {made_by} here"
