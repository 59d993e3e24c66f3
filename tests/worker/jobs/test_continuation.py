"""What a continuation hands to the engine: an earlier clip's own codes where they fit, its audio where they do not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import redis

from shared.audio.encode import encode
from shared.audio.tags import Tags
from shared.errors import BlobMissing
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.blob_references import BlobReferences
from shared.jobs.job import Job, Status, new_id
from shared.jobs.store import JobStore
from shared.music.audio_refs import BeginningRef
from shared.music.request import MusicRequest
from shared.settings import ROOT, Settings
from shared.storage import OwnNames, Storage
from tests.audio_fixtures import file_of, tone
from tests.submitting import submit_job
from tests.worker.scripted_engine import INFO, ScriptedEngine
from training.measure.rhythm import estimate_bpm, has_percussion, tempo_matches
from training.measure.tonality import estimate_key
from worker.audio.codes import keep_codes, read_codes
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.jobs.attempt import Attempt
from worker.jobs.engine_request import build_engine_request

MADE = np.arange(400, dtype=np.int64).reshape(4, 100) % 512  # two seconds
TONE = file_of(tone(440, 2.0, rate_hz=44_100, channels=2), 44_100, "flac")
SHA256 = hashlib.sha256(TONE).hexdigest()
UPLOAD = BeginningRef(key="uploads/x/beginning.flac", seconds=1.0, sha256=SHA256)
AUDIO, CODES = (OwnNames().result(new_id(), 1, extension) for extension in ("wav", "codes"))
EARLIER = BeginningRef(key=AUDIO, seconds=2.0, sha256=SHA256, task="a", codes=CODES, checkpoint="digest")


@pytest.fixture
def engine_request_of(
    store: JobStore, storage: Storage, request_for: Callable[..., MusicRequest]
) -> Callable[..., EngineRequest]:
    """Build the engine's request to continue audio that is stored as codes and as a stereo tone at 44.1 kHz."""
    keep_codes(storage, CODES, MADE)
    for key in (AUDIO, UPLOAD.key):
        storage.put(key, TONE, "audio/flac")

    def make(continued: BeginningRef, *, cut_at: float | None = None, **changes: Any) -> EngineRequest:
        request = request_for(duration=60.0, seed=1, continue_from=continued, continue_at=cut_at)
        return build_engine_request(Job("b", "tiny", request), store.reader, storage, replace(INFO, **changes), 1.0)

    return make


@pytest.mark.parametrize("name", ["m4a", "aac"])
def test_other_weights_continue_an_aac_where_its_music_ends(
    name: str,
    engine_request_of: Callable[..., EngineRequest],
    storage: Storage,
    ffmpeg: str,
) -> None:
    """Not the silence that fills its last frame: that would count as an end."""
    music = tone(440, 2.0, channels=2)
    key = OwnNames().result(new_id(), 1, name)
    stored = storage.put(key, encode(music, 32_000, name, tags=Tags("t", "c"), ffmpeg=ffmpeg).data, "audio/mp4")
    beginning = BeginningRef(key=key, seconds=1.0, sha256=stored.sha256)
    samples = engine_request_of(beginning, checkpoint_digest="other").continue_from
    assert samples.shape == (2, 32_000)
    assert samples[:, -2000:-500].std() == pytest.approx(music[:, -2000:-500].std(), rel=0.05)
    assert np.abs(samples - music[:, -32_000:])[:, 2048:-2048].max() < 0.01


def test_the_same_weights_continue_their_own_codes_and_others_the_audio(
    engine_request_of: Callable[..., EngineRequest],
) -> None:
    exact = engine_request_of(EARLIER)
    assert exact.continue_from is None
    assert np.array_equal(exact.continue_codes, MADE)
    assert np.array_equal(engine_request_of(EARLIER.model_copy(update={"seconds": 1.5})).continue_codes, MADE[:, -75:])
    for other in (
        engine_request_of(EARLIER, checkpoint_digest="other"),
        engine_request_of(EARLIER.model_copy(update={"codes": None})),
    ):
        assert other.continue_codes is None
        assert other.continue_from.shape == (2, 64_000)


def test_codes_and_audio_are_cut_at_the_second_that_was_asked_for(
    engine_request_of: Callable[..., EngineRequest], storage: Storage
) -> None:
    ramp = np.linspace(-0.5, 0.5, 64_000, dtype=np.float32)[None]
    kept = {1.5: (1.0, 25, 75), 1.013: (1.013, 0, 51), 0.5: (0.5, 0, 25), 9.0: (2.0, 0, 100)}
    stored = storage.put(AUDIO, file_of(ramp, 32_000, "flac"), "audio/flac")
    for cut_at, (seconds, first, end) in kept.items():
        earlier = EARLIER.model_copy(update={"seconds": seconds, "sha256": stored.sha256})
        assert np.array_equal(engine_request_of(earlier, cut_at=cut_at).continue_codes, MADE[:, first:end]), cut_at
        audio = engine_request_of(earlier, cut_at=cut_at, checkpoint_digest="other").continue_from
        stop = min(round(cut_at * 32_000), 64_000)
        assert np.allclose(audio, ramp[:, stop - audio.shape[1] : stop], atol=1e-4), cut_at
        assert abs(audio.shape[1] / 32_000 - seconds) < 0.02, cut_at


def test_lost_or_damaged_codes_leave_the_audio(
    engine_request_of: Callable[..., EngineRequest], storage: Storage
) -> None:
    for damage in (b"", b"nonsense", None):
        storage.delete(CODES)
        if damage is not None:
            storage.put(EARLIER.codes, damage, "application/octet-stream")
        assert engine_request_of(EARLIER).continue_from is not None


def test_a_recording_that_was_cut_or_exchanged_in_the_store_is_not_continued(
    engine_request_of: Callable[..., EngineRequest], storage: Storage
) -> None:
    for other in (TONE[:-1000], file_of(tone(220, 2.0), 32_000, "flac")):
        storage.put(UPLOAD.key, other, "audio/flac")
        with pytest.raises(BlobMissing, match="does not have the digest in its record"):
            engine_request_of(UPLOAD)


@pytest.mark.parametrize(("seconds", "samples"), [(1.0, 32_000), (0.999, 31_360), (1.999, 63_360), (30.0, 64_000)])
def test_the_last_seconds_of_the_audio_are_continued_in_full_frames(
    engine_request_of: Callable[..., EngineRequest], seconds: float, samples: int
) -> None:
    found = engine_request_of(UPLOAD.model_copy(update={"seconds": seconds}))
    assert found.continue_from.shape == (2, samples)
    assert abs(found.continue_from[0, -1000:].std() - 0.354) < 0.01


def test_an_attempt_stores_its_codes_and_a_job_blocked_on_it_continues_them(
    blob_references: BlobReferences,
    store: JobStore,
    storage: Storage,
    settings: Settings,
    client: redis.Redis,
    request_for: Callable[..., MusicRequest],
) -> None:
    who: dict[str, Any] = {"account": "local", "source": "tasks"}
    first = submit_job(store, request_for(duration=1.0), "tiny", **who)
    early = BeginningRef(key="", seconds=0.1, sha256="", task=first.id)
    second = submit_job(store, request_for(duration=1.0, continue_from=early), "tiny", after=(first.id,), **who)
    engine = ScriptedEngine()
    for job_id in (first.id, second.id):
        job = store.claim("tiny", "w1")
        assert job is not None
        assert job.id == job_id
        Attempt(job, store, storage, engine, settings, chunks=ChunkStore(client, settings)).run()
        assert store.reader.get(job_id).status is Status.COMPLETED
    assert read_codes(storage, f"ostinato/results/{first.id}/1.codes", 0.0).shape == (4, 10)
    assert [None if p.continue_codes is None else p.continue_codes.shape for p in engine.requests] == [None, (4, 5)]
    assert blob_references.referred([f"ostinato/results/{first.id}/1.codes"])


class Analysis:
    """Measure a part of a clip: its tempo, its scale, whether there are drums."""

    def __init__(self, wave: np.ndarray) -> None:
        root, mode = estimate_key(wave)
        self.bpm, self.scale, self.drums = estimate_bpm(wave), (root + 3 * (mode == "minor")) % 12, has_percussion(wave)

    def alike(self, other: Analysis) -> int:
        """Of three."""
        return tempo_matches(other.bpm, self.bpm) + (other.scale == self.scale) + (other.drums == self.drums)


@pytest.mark.slow
def test_the_shipped_model_continues_in_tempo_key_and_drums() -> None:
    """Without a prompt: what tempo, key and drums the rest has, it can only know from the head."""
    engine = ContinuousBatchingEngine.load(ROOT / "models" / "tiny", slots=4)
    prompts = [
        "piano, 75 bpm, in A minor, without drums",
        "synth, 125 bpm, in F# major, with drums",
        "guitar, 94 bpm, in Eb major, without drums",
    ]
    try:
        heads = [h.result() for h in [engine.submit(EngineRequest(p, 6.0, seed=s)) for s, p in enumerate(prompts)]]
        rest = [EngineRequest("", 12.0, seed=9, continue_codes=head.codes) for head in heads]
        waveforms = [
            handle.result().waveform[0] for handle in [engine.submit(engine_request_of) for engine_request_of in rest]
        ]
    finally:
        engine.close()
    end = 6 * 32_000
    for head, waveform in zip(heads, waveforms, strict=True):  # the codec's last frames depend on what comes next
        assert np.abs(waveform[: end - 3200] - head.waveform[0, : end - 3200]).max() < 1e-3
    analysis = [
        (Analysis(head.waveform[0]), Analysis(waveform[end:])) for head, waveform in zip(heads, waveforms, strict=True)
    ]
    own = sum(head.alike(tail) for head, tail in analysis)
    others = sum(a.alike(b) for i, (a, _) in enumerate(analysis) for j, (_, b) in enumerate(analysis) if i != j) / 2
    assert own >= max(6, others + 2.5), f"{own} of 9 agree, {others:.1f} with another head"
