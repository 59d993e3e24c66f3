"""`AudiocraftEngine`: audiocraft's own `generate`, one piece at a time. Knows nothing of jobs, queues or files.

The reference that a faster engine is held to, behind the seam that it fills: `submit(piece) -> Handle`.

* Time. A piece gets as many frames as cover round(duration_s * sample_rate) samples, and the waveform is cut there.
  (audiocraft rounds down to whole frames; at multiples of 20 ms the two are the same.)
* Windows. A piece longer than the checkpoint's window slides it by EXTEND_STRIDE_S, as audiocraft does. audiocraft goes
  on from less than a window only: of a longer beginning it is given what its own later windows would hear.
* Seeds. torch's generator and what demucs draws its shift from are seeded by the piece (`seeds.py`). So equal pieces
  give bitwise equal clips on one device.
* Cancel. audiocraft's callback raises between two decode steps, and its streaming state is reset on the way out.
  Conditioning (text, demucs) and the codec are not interrupted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from audiocraft.data.audio_utils import convert_audio
from audiocraft.models import MusicGen

from shared.errors import Unavailable
from worker.engine.core.failures import named
from worker.engine.core.handle import Handle
from worker.engine.core.types import Clip, EngineRequest
from worker.engine.model.continuation import encode_continuation, known_frames
from worker.engine.model.info import EngineInfo, describe, digest_of, files_of
from worker.engine.model.loading import load_musicgen
from worker.engine.model.seeds import GENERATORS, seeded
from worker.engine.model.validation import check_piece, frames_of, warnings_for
from worker.engine.model.windows import EXTEND_STRIDE_S, count_steps, duration_of, unheard_frames


class AudiocraftEngine:
    """One model and one decode thread. `submit` from any thread; pieces are made in the order they came."""

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
        """The engine for a hub id or a folder, its decode thread running."""
        with GENERATORS:  # a new model draws its first weights, before the file's replace them
            model = load_musicgen(checkpoint, device, cache_dir, revision)
        engine = cls(model, describe(model, digest_of(files_of(checkpoint, cache_dir, revision)), device))
        engine.start()
        return engine

    def start(self) -> None:
        """Begin to take pieces up; `load` has done it."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the decode thread runs."""
        return self._thread.is_alive()

    def warm_up(self, progress: Callable[[int, int], None]) -> None:
        """Nothing to pay in advance."""
        progress(1, 1)

    def submit(self, piece: EngineRequest) -> Handle:
        """Queue a piece. Raises InvalidRequest or InvalidMelody at once for one that this model cannot make."""
        check_piece(piece, self.info)
        known = known_frames(piece, self.info)
        handle = Handle(piece, count_steps(self._model, frames_of(piece, self.info), known))
        with self._changed:
            if self._closed:
                raise Unavailable("the engine is closed; send the piece to another worker")
            self._waiting.append(handle)
            self._changed.notify()
        return handle

    def close(self, timeout_s: float = 30.0) -> None:
        """Cancel what waits and what runs, and stop the thread. Wait for the handles first to lose nothing."""
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
            failure = named(error)
        if failure is not None:
            if self._model.device.type == "cuda":
                torch.cuda.empty_cache()
            handle.fail(failure)

    def _make(self, handle: Handle) -> Clip:
        piece, began_at = handle.piece, time.monotonic()
        self._set_parameters(piece)
        self._model.set_custom_progress_callback(self._step_callback(handle))
        with seeded(piece.seed):
            audio, codes = self._generate(piece)  # [1, channels, samples], [1, codebooks, steps]
        samples = round(piece.duration_s * self.info.sample_rate_hz)
        return Clip(
            waveform=audio[0, :, :samples].float().cpu().numpy(),
            sample_rate_hz=self.info.sample_rate_hz,
            generation_time_s=time.monotonic() - began_at,
            codes=codes[0].cpu().numpy(),
            warnings=warnings_for(piece, self._model.lm.card),
        )

    def _set_parameters(self, piece: EngineRequest) -> None:
        unheard = unheard_frames(self._model, known_frames(piece, self.info))
        self._model.set_generation_params(
            use_sampling=piece.temperature > 0,
            temperature=piece.temperature,
            top_k=min(piece.top_k, self._model.lm.card),
            top_p=piece.top_p,
            cfg_coef=piece.guidance_scale,
            duration=duration_of(self._model, frames_of(piece, self.info) - unheard),
            extend_stride=EXTEND_STRIDE_S,
        )

    def _step_callback(self, handle: Handle) -> Any:
        """What audiocraft calls after each decode step. Its own numbers restart with each window: count here."""
        step = 0

        def stepped(_generated: int, _to_generate: int) -> None:
            nonlocal step
            step += 1
            for waiting in tuple(self._waiting):
                waiting.touch()
            handle.advance(step, "codec" if step == handle.progress.steps else "decoding")

        return stepped

    def _generate(self, piece: EngineRequest) -> Any:
        model, wanted = self._model, {"progress": True, "return_tokens": True}
        # No conditions are not the prompt with cfg_coef 0: where text is prepended, the null half is as long as it.
        text = (piece.text or "") if piece.conditioned else None
        melody = None if text is None or piece.melody is None else torch.tensor(piece.melody)[None]  # [1, samples]
        if known_frames(piece, self.info):
            return self._continue(piece, text, melody)
        if text is None:
            return model.generate_unconditional(1, **wanted)
        if melody is None:
            return model.generate([text], **wanted)
        return model.generate_with_chroma([text], [melody], piece.melody_rate_hz, **wanted)

    def _continue(self, piece: EngineRequest, text: str | None, melody: torch.Tensor | None) -> Any:
        """As audiocraft's `generate_continuation`, which takes no melody but is made of parts that do."""
        model = self._model
        unheard = unheard_frames(model, known_frames(piece, self.info))
        melodies: list[torch.Tensor | None] | None = None
        if melody is not None:
            wave = convert_audio(melody, piece.melody_rate_hz, model.sample_rate, model.audio_channels)
            # each window repeats the melody from where it stands in the whole
            melodies = [wave.roll(-round(unheard * model.sample_rate / model.frame_rate), dims=-1)]
        attributes, _ = model._prepare_tokens_and_attributes([text], None, melodies)
        given = encode_continuation(model, piece, known_frames(piece, self.info))
        assert given is not None, "known frames have codes"
        known = given[None].to(model.device)  # [1, codebooks, frames]
        heard = model._generate_tokens(attributes, known[..., unheard:], progress=True)
        codes = torch.cat([known[..., :unheard], heard], dim=-1)
        return model.generate_audio(codes), codes
