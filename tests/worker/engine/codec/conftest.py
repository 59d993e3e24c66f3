"""Build the codecs of these tests once a module, and prepare one by torch alone and by the kernels."""

from __future__ import annotations

import pytest

from tests.worker.engine.codec.random_codecs import encodec
from worker.engine.codec.codec import Codec
from worker.engine.imports.audiocraft import CompressionModel
from worker.engine.native.loader import kernels


@pytest.fixture(scope="module")
def forgetful() -> CompressionModel:
    return encodec(pad_mode="reflect")


@pytest.fixture(scope="module")
def remembering() -> CompressionModel:
    """Build a codec whose LSTM state lasts for many seconds, so that a lost state changes the audio."""
    return encodec(forget_bias=3.0, pad_mode="reflect")


@pytest.fixture(scope="module", params=["torch", None], ids=["torch", "kernels"])
def codec(remembering: CompressionModel, request: pytest.FixtureRequest) -> Codec:
    """Return the codec by torch alone, and by this CPU's kernels."""
    return Codec.prepare(remembering, kernels(request.param))
