"""Find the workers: the live ones, the promised ones, and how fast they are."""

from __future__ import annotations

from api.services.ttl_cache import TtlCache
from shared.errors import InvalidRequest, QueueFull
from shared.jobs.job import Fingerprint
from shared.jobs.reader import JobReader
from shared.music.catalog import Catalog
from shared.settings import Settings
from shared.workers.registry import WorkerRecord, WorkerRegistry
from shared.workers.throughput import Throughput

REGISTRY_AGE_S = 1.0
PACE_AGE_S = 0.5


class WorkerDirectory:
    """Read at most every so often, whatever the number of requests. All methods raise BrokerUnavailable."""

    def __init__(self, settings: Settings, catalog: Catalog, registry: WorkerRegistry, reader: JobReader) -> None:
        self._settings = settings
        self._catalog = catalog
        self._reader = reader
        self._registry = TtlCache(registry.live, REGISTRY_AGE_S)
        self._paces: dict[str, TtlCache[Throughput]] = {}

    def live(self, *, fresh: bool = False) -> list[WorkerRecord]:
        """Return the live workers, as of at most a second ago; `fresh` asks again."""
        return self._registry.get(fresh=fresh)

    def of(self, model: str, *, fresh: bool = False) -> list[WorkerRecord]:
        return [p for p in self.live(fresh=fresh) if p.model == model]

    def without_ffmpeg(self, model: str) -> list[str]:
        """Return the live workers of that model that cannot write m4a and aac: any of them may draw the job."""
        unable: list[str] = []
        for fresh in (False, True):
            if not (unable := [p.worker for p in self.of(model, fresh=fresh) if not p.ffmpeg]):
                break
        return unable

    def promised(self) -> set[str]:
        """Return the models that SERVED_MODELS names, by their catalog names."""
        return {self._resolved(name) for name in self._settings.served_models}

    def expected(self) -> set[str]:
        """Return the models without which this service is not ready: the promised ones, or else the default one."""
        return self.promised() or {self.default()}

    def default(self) -> str:
        return self._resolved(self._settings.default_model)

    def fingerprint(self, model: str) -> Fingerprint | None:
        """Return the fingerprint within which equal requests for that model share their music.

        None while nobody makes it, while the live workers differ, or where nothing is to be shared (RESULT_CACHE).
        """
        if not self._settings.result_cache:
            return None
        found = {Fingerprint(p.digest, p.engine, p.precision, p.device) for p in self.of(model)}
        return found.pop() if len(found) == 1 else None

    def wait_s(self, model: str, ahead: int) -> float | None:
        """Estimate when a job of that model begins that has so many before it; None while nobody can tell."""
        return self._pace(model).wait_s(ahead, self._slots(model))

    def run_s(self, model: str, audio_s: float) -> float | None:
        return self._pace(model).run_s(audio_s)

    def retry_after_s(self, model: str, count: int = 1) -> int:
        """Estimate when a full line has room for that many again."""
        return self._pace(model).retry_after_s(self._slots(model), count)

    def refusal(self, full: QueueFull, model: str) -> QueueFull:
        """Return the refusal with the time when there is room for what was refused."""
        missing = full.queue_length + full.needed - full.limit
        retry_after_s = self.retry_after_s(model, missing)
        return QueueFull(full.queue_length, full.limit, retry_after_s, model=full.model, needed=full.needed)

    def _slots(self, model: str) -> int:
        return sum(p.slots for p in self.of(model) if p.claims)

    def _pace(self, model: str) -> Throughput:
        snapshot = self._paces.setdefault(model, TtlCache(lambda: self._reader.throughput(model), PACE_AGE_S))
        return snapshot.get()

    def _resolved(self, name: str) -> str:
        others = [p.as_model() for p in self.live()]
        try:
            return self._catalog.choose(name, melody=False, others=others).model.name
        except InvalidRequest:
            return name  # a model of the operator's own, whose worker has not announced it yet
