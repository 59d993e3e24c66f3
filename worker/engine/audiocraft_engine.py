"""Serve requests with audiocraft's own `generate`, one at a time (`AudiocraftEngine`).

It is the reference that a faster engine is held to, behind the same protocol: `submit(request) -> Handle`.

* Time. A clip gets as many frames as cover round(duration_s * sample_rate) samples, and the waveform is cut there.
  (audiocraft rounds down to full frames; at multiples of 20 ms the two are the same.)
* Windows. A clip longer than the checkpoint's window slides it by EXTEND_STRIDE_S, as audiocraft does. audiocraft goes
  on from less than a window only: of a longer beginning it is given what its own later windows would read.
* Seeds. torch's generator is seeded by the request, what demucs draws its shift from by a constant (`seeds.py`). So
  equal requests give bitwise equal clips on one device.
* Cancel. audiocraft's callback raises between two decode steps, and its streaming state is reset on the way out.
  Conditioning (text, demucs) and the codec are not interrupted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import torch

from shared.errors import Unavailable
from worker.engine.core.failures import public_error
from worker.engine.core.handle import Handle
from worker.engine.core.types import Clip, EngineInfo, EngineRequest, OnProgress
from worker.engine.imports.audiocraft import MusicGen, convert_audio
from worker.engine.model.continuation import encode_continuation, known_frames
from worker.engine.model.info import describe, digest_of, files_of
from worker.engine.model.loading import load_musicgen
from worker.engine.model.seeds import GENERATORS, seeded
from worker.engine.model.validation import check_request, frames_of, warnings_for
from worker.engine.model.windows import EXTEND_STRIDE_S, count_steps, duration_of, skipped_frames


class AudiocraftEngine:
    """Decode the requests of any thread one by one, in the order they came, on one model."""

    def __init__(self, model: MusicGen, info: EngineInfo) -> None:
        self.info = info
        self.slots = 1
        self._model = model
        self._waiting: deque[Handle] = deque()
        self._running: Handle | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._decode_forever, name="decode", daemon=True)

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        device: str = "cpu",
        cache_dir: str | None = None,
        revision: str | None = None,
    ) -> AudiocraftEngine:
        """Load a checkpoint from a hub id or a folder, and start the decode thread."""
        with GENERATORS:  # a new model draws its first weights, before the file's replace them
            model = load_musicgen(checkpoint, device, cache_dir, revision)
        engine = cls(model, describe(model, digest_of(files_of(checkpoint, cache_dir, revision)), device))
        engine.start()
        return engine

    def start(self) -> None:
        """Start the decode thread; `load` has done it."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Tell whether the decode thread runs."""
        return self._thread.is_alive()

    def warm_up(self, progress: OnProgress) -> None:
        """Do nothing: no request pays an extra cost here."""
        progress(1, 1)

    def check(self) -> tuple[str, ...]:
        """Do nothing: this is what others are compared with."""
        return ()

    def submit(self, request: EngineRequest) -> Handle:
        """Queue a request. Raises InvalidRequest or InvalidMelody at once for one that this model cannot serve."""
        check_request(request, self.info)
        known = known_frames(request, self.info)
        handle = Handle(request, count_steps(self._model, frames_of(request, self.info), known))
        with self._changed:
            if self._closed:
                raise Unavailable("the engine is closed; send the piece to another worker")
            self._waiting.append(handle)
            self._changed.notify()
        return handle

    def close(self, timeout_s: float = 30.0) -> None:
        """Cancel what waits and what runs, and stop the thread. To drain, wait for the handles first."""
        with self._changed:
            self._closed = True
            left = [*self._waiting, *([self._running] if self._running else [])]
            self._changed.notify()
        for handle in left:
            handle.cancel()
        self._thread.join(timeout_s)

    def _decode_forever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                handle = self._running = self._waiting.popleft()
            if handle.begin():
                self._decode(handle)
            self._running = None
            del handle  # an idle engine keeps no clip

    def _decode(self, handle: Handle) -> None:
        failure = None
        try:
            handle.finish(self._make(handle))
        except Exception as error:
            failure = public_error(error)
        if failure is not None:
            if self._model.device.type == "cuda":
                torch.cuda.empty_cache()
            handle.fail(failure)

    def _make(self, handle: Handle) -> Clip:
        request, began_at = handle.request, time.monotonic()
        self._set_parameters(request)
        self._model.set_custom_progress_callback(self._step_callback(handle))
        with seeded(request.seed):
            audio, codes = self._generate(request)  # [1, channels, samples], [1, codebooks, steps]
        samples = round(request.duration_s * self.info.sample_rate_hz)
        return Clip(
            waveform=audio[0, :, :samples].float().cpu().numpy(),
            sample_rate_hz=self.info.sample_rate_hz,
            generation_time_s=time.monotonic() - began_at,
            codes=codes[0].cpu().numpy(),
            warnings=warnings_for(request, self._model.lm.card),
        )

    def _set_parameters(self, request: EngineRequest) -> None:
        skipped = skipped_frames(self._model, known_frames(request, self.info))
        self._model.set_generation_params(
            use_sampling=request.temperature > 0,
            temperature=request.temperature,
            top_k=min(request.top_k, self._model.lm.card),
            top_p=request.top_p,
            cfg_coef=request.guidance_scale,
            duration=duration_of(self._model, frames_of(request, self.info) - skipped),
            extend_stride=EXTEND_STRIDE_S,
        )

    def _step_callback(self, handle: Handle) -> Any:
        """Return what audiocraft calls after each decode step. Its own numbers restart with each window: count here."""
        step = 0

        def stepped(_generated: int, _to_generate: int) -> None:
            nonlocal step
            step += 1
            for waiting in tuple(self._waiting):
                waiting.touch()
            handle.advance(step, "codec" if step == handle.progress.steps else "decoding")

        return stepped

    def _generate(self, request: EngineRequest) -> Any:
        model, wanted = self._model, {"progress": True, "return_tokens": True}
        # No conditions are not the prompt with cfg_coef 0: where text is prepended, the null half is as long as it.
        text = (request.text or "") if request.conditioned else None
        melody = None if text is None or request.melody is None else torch.tensor(request.melody)[None]  # [1, samples]
        if known_frames(request, self.info):
            return self._continue(request, text, melody)
        if text is None:
            return model.generate_unconditional(1, **wanted)
        if melody is None:
            return model.generate([text], **wanted)
        return model.generate_with_chroma([text], [melody], request.melody_rate_hz, **wanted)

    def _continue(self, request: EngineRequest, text: str | None, melody: torch.Tensor | None) -> Any:
        """Continue audio as audiocraft's `generate_continuation` does, which takes no melody but has parts that do."""
        model = self._model
        skipped = skipped_frames(model, known_frames(request, self.info))
        melodies: list[torch.Tensor | None] | None = None
        if melody is not None:
            wave = convert_audio(melody, request.melody_rate_hz, model.sample_rate, model.audio_channels)
            # each window repeats the melody from its own offset in the clip
            melodies = [wave.roll(-round(skipped * model.sample_rate / model.frame_rate), dims=-1)]
        attributes, _ = model._prepare_tokens_and_attributes([text], None, melodies)
        given = encode_continuation(model, request, known_frames(request, self.info))
        assert given is not None, "known frames have codes"
        known = given[None].to(model.device)  # [1, codebooks, frames]
        generated = model._generate_tokens(attributes, known[..., skipped:], progress=True)
        codes = torch.cat([known[..., :skipped], generated], dim=-1)
        return model.generate_audio(codes), codes
