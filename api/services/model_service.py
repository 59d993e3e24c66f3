"""Tell which models there are, which are promised, and which workers serve them. Knows no jobs."""

from __future__ import annotations

from api.services.worker_directory import WorkerDirectory
from shared.music.catalog import Catalog, Model
from shared.workers.registry import WorkerRecord


class ModelService:
    """Serve models. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(self, catalog: Catalog, workers: WorkerDirectory) -> None:
        self._catalog = catalog
        self._workers = workers

    def workers(self, *, fresh: bool = False) -> list[WorkerRecord]:
        """Return the live workers, as of at most a second ago; `fresh` asks again."""
        return self._workers.live(fresh=fresh)

    def models(self) -> list[Model]:
        """Return every known model, the ones that only a live worker announces included."""
        known = {model.name: model for model in self._catalog.all()}
        for presence in self.workers():
            if known.get(presence.model, presence.as_model()).size == "custom":
                known[presence.model] = presence.as_model()
        return sorted(known.values(), key=lambda model: model.name)

    def model_named(self, name: str) -> Model:
        """Raises InvalidRequest."""
        return self._catalog.choose(name, melody=False, others=[p.as_model() for p in self.workers()]).model

    def eta_s(self, name: str, audio_s: float, ahead: int) -> float | None:
        """Estimate when a clip of that length would be there, with so many before it; None while nobody can tell."""
        if not self._workers.of(name):
            return None
        wait_s, run_s = self._workers.wait_s(name, ahead), self._workers.run_s(name, audio_s)
        return None if wait_s is None or run_s is None else round(wait_s + run_s, 1)

    def promised(self) -> set[str]:
        """Return the models that SERVED_MODELS names, by their catalog names."""
        return self._workers.promised()

    def expected(self) -> set[str]:
        """Return the models without which this service is not ready."""
        return self._workers.expected()

    def expected_default(self) -> str:
        """Return the catalog's name of the model for requests that name none."""
        return self._workers.default()
