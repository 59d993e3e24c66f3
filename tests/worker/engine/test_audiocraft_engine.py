"""audiocraft's engine: equal requests give equal clips, and each parameter does what it says."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from shared.errors import GenerationFailed, InvalidMelody, InvalidRequest, OutOfMemory, Unavailable
from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.core.handle import Cancelled, Handle
from worker.engine.core.types import EngineRequest
from worker.engine.model.hub import CODEC_FILE, LM_FILE

pytestmark = pytest.mark.slow

MakeRequest = Callable[..., EngineRequest]
Tones = Callable[..., np.ndarray]


def codes(engine: AudiocraftEngine, asked: EngineRequest) -> np.ndarray:
    return engine.submit(asked).result().codes


def wait_for_step(handle: Handle, step: int) -> None:
    deadline = time.monotonic() + 20
    while handle.progress.step < step:
        assert time.monotonic() < deadline, handle.progress
        time.sleep(0.002)


def test_equal_requests_give_bitwise_equal_clips(tiny: AudiocraftEngine, make_request: MakeRequest) -> None:
    first, second = (tiny.submit(make_request()).result() for _ in range(2))
    assert np.array_equal(first.codes, second.codes)
    assert np.array_equal(first.waveform, second.waveform)


@pytest.mark.parametrize("changed", [{"seed": 8}, {"prompt": "a fast heavy rock song"}])
def test_another_seed_or_prompt_gives_another_clip(
    tiny: AudiocraftEngine, make_request: MakeRequest, changed: dict[str, object]
) -> None:
    usual, other = (tiny.submit(p).result() for p in (make_request(), make_request(**changed)))
    assert np.mean(usual.codes != other.codes) > 0.2
    assert abs(np.corrcoef(usual.waveform[0], other.waveform[0])[0, 1]) < 0.9


def test_the_clip_is_what_audiocraft_itself_makes(text_only: AudiocraftEngine, make_request: MakeRequest) -> None:
    clip = text_only.submit(make_request(duration_s=1.0, top_k=50, temperature=0.8)).result()
    model = text_only._model
    model.set_generation_params(duration=1.0, top_k=50, temperature=0.8, cfg_coef=3.0)
    torch.manual_seed(7)
    audio, tokens = model.generate(["a slow sad piano ballad"], return_tokens=True)
    assert np.array_equal(clip.codes, tokens[0].numpy())
    assert np.array_equal(clip.waveform, audio[0].numpy())


@pytest.mark.parametrize("engine_name", ["tiny", "published_melody"])
def test_the_melody_changes_the_codes(
    request: pytest.FixtureRequest, engine_name: str, make_request: MakeRequest, a_tone: Tones
) -> None:
    engine = request.getfixturevalue(engine_name)
    noise = np.random.default_rng(0).normal(0, 0.2, 32_000).astype(np.float32)
    without, sung, other = (codes(engine, make_request(melody=m)) for m in (None, a_tone(440), noise))
    assert np.mean(sung != without) > 0.1
    assert np.mean(sung != other) > 0.1


def test_demucs_draws_from_the_requests_seed_and_leaves_the_process_its_own(
    published_melody: AudiocraftEngine, make_request: MakeRequest, a_tone: Tones
) -> None:
    random.seed(1)
    first = codes(published_melody, make_request(melody=a_tone(330)))
    drawn = random.random()
    assert np.array_equal(first, codes(published_melody, make_request(melody=a_tone(330))))
    random.seed(1)
    assert drawn == random.random()


def test_two_engines_of_one_process_do_not_disturb_each_other(
    tiny: AudiocraftEngine, text_only: AudiocraftEngine, make_request: MakeRequest
) -> None:
    solo = [codes(engine, make_request()) for engine in (tiny, text_only)]
    handles = [engine.submit(make_request()) for engine in (tiny, text_only)]
    for expected, handle in zip(solo, handles, strict=True):
        assert np.array_equal(expected, handle.result().codes)


@pytest.mark.parametrize("prompt", [None, "", "  "])
def test_a_melody_needs_no_prompt(
    tiny: AudiocraftEngine, make_request: MakeRequest, a_tone: Tones, prompt: str | None
) -> None:
    melody = {"melody": a_tone(523.25), "melody_rate_hz": 32_000}
    clip = tiny.submit(make_request(prompt=prompt, **melody)).result()
    assert clip.waveform.std() > 0.01
    assert np.array_equal(clip.codes, codes(tiny, make_request(prompt=None, **melody)))
    assert not np.array_equal(clip.codes, codes(tiny, make_request(**melody)))


def test_temperature_zero_is_greedy(tiny: AudiocraftEngine, make_request: MakeRequest) -> None:
    greedy = codes(tiny, make_request(temperature=0, seed=1))
    assert np.array_equal(greedy, codes(tiny, make_request(temperature=0, seed=2)))
    assert np.array_equal(greedy, codes(tiny, make_request(top_k=1, seed=3)))


@pytest.mark.parametrize("engine_name", ["tiny", "text_only"])
def test_guidance_zero_ignores_the_prompt(
    request: pytest.FixtureRequest, engine_name: str, make_request: MakeRequest
) -> None:
    engine = request.getfixturevalue(engine_name)
    free = codes(engine, make_request(guidance_scale=0, prompt="jazz"))
    assert np.array_equal(free, codes(engine, make_request(guidance_scale=0, prompt="a long and very loud waltz")))
    assert not np.array_equal(free, codes(engine, make_request(guidance_scale=1, prompt="jazz")))


def test_guidance_zero_is_audiocrafts_null_half(text_only: AudiocraftEngine, make_request: MakeRequest) -> None:
    free = codes(text_only, make_request(guidance_scale=0, top_k=50))
    model = text_only._model
    model.set_generation_params(duration=0.5, top_k=50, cfg_coef=0.0)
    torch.manual_seed(7)
    _, tokens = model.generate(["a slow sad piano ballad"], return_tokens=True)
    assert np.array_equal(free, tokens[0].numpy())


def test_a_top_k_above_the_codebook_is_clamped_with_a_warning(
    tiny: AudiocraftEngine, make_request: MakeRequest
) -> None:
    clamped = tiny.submit(make_request(top_k=100_000)).result()
    assert clamped.warnings == ("top_k 100000 is more than the codebook's size; 256 was used",)
    assert np.array_equal(clamped.codes, codes(tiny, make_request(top_k=256)))


@pytest.mark.parametrize("duration_s", [0.5, 0.51, 1.2345])
def test_the_waveform_has_exactly_the_samples_asked_for(
    tiny: AudiocraftEngine, make_request: MakeRequest, duration_s: float
) -> None:
    clip = tiny.submit(make_request(duration_s=duration_s)).result()
    assert clip.waveform.shape == (1, round(duration_s * 32_000))
    assert clip.waveform.dtype == np.float32
    assert clip.codes.shape == (4, -(-round(duration_s * 32_000) // 640))


def test_cancel_frees_the_engine_and_leaves_no_trace(
    tiny: AudiocraftEngine, checkpoint: Callable[[str], Path], make_request: MakeRequest, a_tone: Tones
) -> None:
    long = tiny.submit(make_request(duration_s=30, melody=a_tone(440)))
    waiting = tiny.submit(make_request())
    wait_for_step(long, 20)
    assert long.progress.steps == 1503
    assert waiting.advanced_at >= long.advanced_at - 0.5
    long.cancel()
    with pytest.raises(Cancelled):
        long.result()
    assert long.progress.step < 1000
    fresh = AudiocraftEngine.load(checkpoint("tiny"))
    assert np.array_equal(waiting.result().waveform, fresh.submit(make_request()).result().waveform)
    fresh.close()


def test_a_failed_request_spares_the_next(
    tiny: AudiocraftEngine, make_request: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = codes(tiny, make_request())

    def raising(error: Exception) -> Callable[..., torch.Tensor]:
        def decode(*_: object) -> torch.Tensor:
            raise error

        return decode

    for error, ours in [
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), OutOfMemory),
        (RuntimeError("probability tensor contains either `inf`, `nan`"), GenerationFailed),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(tiny._model.compression_model, "decode", raising(error))
            with pytest.raises(ours):
                tiny.submit(make_request()).result()
    assert np.array_equal(usual, codes(tiny, make_request()))


def test_a_request_the_model_cannot_serve_is_refused_at_submit(
    tiny: AudiocraftEngine, text_only: AudiocraftEngine, make_request: MakeRequest, a_tone: Tones
) -> None:
    with pytest.raises(InvalidMelody, match="takes no melody"):
        text_only.submit(make_request(melody=a_tone(440)))
    with pytest.raises(InvalidMelody, match="at least one sample"):
        tiny.submit(make_request(melody=np.zeros(0, np.float32)))
    for duration_s in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidRequest, match="duration_s"):
            tiny.submit(make_request(duration_s=duration_s))


def test_progress_ends_at_its_total_and_names_the_stages(tiny: AudiocraftEngine, make_request: MakeRequest) -> None:
    handle = tiny.submit(make_request(duration_s=2.0))
    seen = set()
    while not handle.wait(0.001):
        seen.add(handle.progress.stage)
    assert handle.progress == dataclasses.replace(handle.progress, step=103, steps=103, stage="done")
    assert "decoding" in seen
    assert seen <= {"waiting", "conditioning", "decoding", "codec", "done"}


def test_closing_cancels_what_is_left_and_refuses_more(
    checkpoint: Callable[[str], Path], make_request: MakeRequest
) -> None:
    engine = AudiocraftEngine.load(checkpoint("text"))
    running, waiting = engine.submit(make_request(duration_s=30)), engine.submit(make_request())
    wait_for_step(running, 5)
    engine.close()
    for handle in (running, waiting):
        with pytest.raises(Cancelled):
            handle.result()
    with pytest.raises(Unavailable):
        engine.submit(make_request())


def test_the_engine_info_names_what_made_the_clip(
    tiny: AudiocraftEngine, text_only: AudiocraftEngine, checkpoint: Callable[[str], Path]
) -> None:
    info = tiny.info
    assert (info.engine, info.precision, info.device, info.channels) == ("audiocraft", "fp32", "cpu", 1)
    assert (info.sample_rate_hz, info.frame_rate_hz, info.max_duration_s) == (32_000, 50, 30)
    assert (info.melody, text_only.info.melody) == (True, False)
    assert info.checkpoint_digest != text_only.info.checkpoint_digest
    assert {LM_FILE, CODEC_FILE} <= {path.name for path in checkpoint("tiny").iterdir()}


def test_the_tokenizer_counts_what_the_model_sees(tiny: AudiocraftEngine) -> None:
    assert tiny.info.tokenizer_json is not None
    tokenizer = Tokenizer.from_str(tiny.info.tokenizer_json)
    text = tiny._model.lm.condition_provider.conditioners["description"]
    for prompt in ("a slow sad piano ballad at 60 bpm", "8-bit 0123456789", "Größe ½ 日本", "long " * 700):
        seen = text.tokenize([prompt])["input_ids"][0].tolist()  # [tokens]
        assert tokenizer.encode(prompt).ids == seen
