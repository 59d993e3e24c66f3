"""Keep on disk which checks were passed, so that a CPU's worker checks once and not at each boot (`KeptChecks`).

A check is passed for a checkpoint, by its digest, as it is decoded here: by this engine's source, with these settings,
on this model of CPU. What failed is not kept, and is checked again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from worker.engine.native.build import BUILT
from worker.engine.native.choice import machine_digest

log = logging.getLogger(__name__)

USUAL_FOLDER = BUILT / "selfchecks"  # beside the kernels that were compiled for this machine
MOST = 100  # kept


@dataclass(frozen=True)
class KeptChecks:
    """Find and keep the checks of a folder; with None, each boot checks."""

    folder: Path | None

    def is_due(self, key: str) -> bool:
        """Tell whether that was not yet checked here."""
        return self.folder is None or not (self.folder / f"{key}.json").exists()

    def keep(self, key: str, found: Sequence[str]) -> None:
        """Keep a passed check; where that cannot be written, the next boot checks anew."""
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            made = self.folder / f"{key}.{os.getpid()}"
            made.write_text(json.dumps(found))
            made.replace(self.folder / f"{key}.json")
            for old in sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-MOST]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.info("the self-check is not kept, and is done at each boot: %s", error)


def key_of(**what: object) -> str:
    """Return the key of a check: of what is named, and of all that it depends on beside."""
    beside = {"machine": machine_digest(), "source": _source_digest(), "torch": torch.__version__}
    return hashlib.sha256(json.dumps(what | beside, sort_keys=True, default=str).encode()).hexdigest()[:32]


@functools.cache
def _source_digest() -> str:
    """Return a digest of the engine's own source."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
