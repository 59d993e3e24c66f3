"""Make and mix a piece for several instruments in this process.

By the rules of POST /tasks/multi-instrument, in its words and by its validator: one tempo and key for all parts; those
that have a melody follow the first one's, where the model takes one. The same seed makes the same stems there and here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

import soundfile

from music_gen.audio import AudioOutput, Samples
from music_gen.errors import InvalidRequest
from music_gen.local.engine import EXTRA, LocalRequest, read_melody
from music_gen.local.generator import MODEL, MusicGenerator, expect_known
from music_gen.local.repo_import import load, translated
from music_gen.params import MixSettings
from music_gen.request_fields import LocalFields
from music_gen.tracks import Tracks

if TYPE_CHECKING:
    import torch

    from shared.errors import FieldError
    from shared.music.multi_instrument import MultiInstrumentSpec
    from shared.music.tempo_and_key import TempoAndKey

PARTS_PERCENT = 95  # of the whole; the rest is the mix


class MultiInstrumentGenerator:
    """Make pieces for several instruments; several threads may call it."""

    def __init__(
        self,
        model: str | MusicGenerator = MODEL,
        device: str = "auto",
        dtype: torch.dtype | str | None = None,
        cache_dir: str | Path | None = None,
        *,
        slots: int | None = None,
    ) -> None:
        """Load a model as MusicGenerator does, or share one that is there, which is then yours to close."""
        self._owned = not isinstance(model, MusicGenerator)
        self._generator = (
            model if isinstance(model, MusicGenerator) else MusicGenerator(model, device, dtype, cache_dir, slots=slots)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._owned:
            self._generator.close()

    def generate_multi_track(
        self,
        prompts: Mapping[str, str | Mapping[str, Any]],
        duration: float = 8.0,
        mix_settings: MixSettings | None = None,
        *,
        on_progress: Callable[[float], None] | None = None,
        **fields: Unpack[LocalFields],
    ) -> Tracks:
        """Make each instrument's clip, by its name, and their `mix`. `on_progress` gets the percent done.

        A prompt may be an object: `prompt`, and `seed`, `follow` or what `MusicGenerator.generate` takes for this one.
        `fields` as there, for all. Raises InvalidRequest that names every bad field, GenerationFailed.
        """
        expect_known(fields)
        if strangers := [name for name in mix_settings or {} if name not in MixSettings.__annotations__]:
            message = f"is unknown; known: {', '.join(MixSettings.__annotations__)}"
            raise InvalidRequest.of(*({"field": name, "message": message, "value": ""} for name in strangers))
        spec, mix, parts = self._read(prompts, {"duration": duration, **fields, **(mix_settings or {})})
        seed = mix.engine_request.seed
        asked_prompts = [part.asked.prompt for part in parts.values()]
        tempo_and_key = _tempo_and_key_module().choose_tempo_and_key(asked_prompts, spec.tempo_bpm, spec.key, seed)
        requests = {name: _as_part(name, request, tempo_and_key, seed) for name, request in parts.items()}
        clips = self._generate(spec, requests, _share(on_progress, PARTS_PERCENT / 100))
        prompt = "; ".join(f"{name}: {request.asked.prompt}" for name, request in parts.items())
        mixed = self._mix(spec, mix, clips, prompt)
        if on_progress is not None:
            on_progress(100.0)
        return Tracks(clips, mixed, tempo_bpm=tempo_and_key.tempo_bpm, key=tempo_and_key.key)

    def _read(
        self, prompts: object, asked: Mapping[str, Any]
    ) -> tuple[MultiInstrumentSpec, LocalRequest, dict[str, LocalRequest]]:
        """Read what is asked of the mix, and of each part. Raises InvalidRequest that names all that is wrong."""
        engine = self._generator.engine
        spec, faults = _spec_module().read_multi_instrument({"instruments": prompts, **asked})
        mix: LocalRequest | None = None
        parts: dict[str, LocalRequest] = {}
        try:
            mix = engine.parse({**spec.common, "prompt": ", ".join(each.name for each in spec.instruments) or "none"})
        except InvalidRequest as error:
            faults += _faults(error)
        for each in spec.instruments:
            try:
                own = spec.request_fields(each)
                parts[each.name] = engine.parse(own, own.pop("melody", None))
            except InvalidRequest as error:
                faults += _spec_module().faults_of(each, _faults(error))
        if faults or mix is None:
            raise InvalidRequest.of(*(fault.as_dict() for fault in faults))
        return spec, mix, parts

    def _generate(
        self,
        spec: MultiInstrumentSpec,
        requests: Mapping[str, LocalRequest],
        on_progress: Callable[[float], None] | None,
    ) -> dict[str, AudioOutput]:
        """Make the lead part and those not conditioned on it together, then those that are."""
        engine, names = self._generator.engine, list(requests)
        lead_part = names[_spec_module().lead_part_index(spec.instruments)]
        later = [each.name for each in spec.instruments if each.conditioned and each.name != lead_part]
        later = later if engine.takes_melodies else []
        with engine.pending_requests() as pending:
            first = [name for name in names if name not in later]
            handles = dict(zip(first, pending.begin([requests[name] for name in first]), strict=True))
            pending.wait([handles[lead_part]], len(names), on_progress)
            melody = read_melody(engine.output(requests[lead_part], handles[lead_part]).data)
            later_handles = pending.begin([_conditioned(requests[name], *melody) for name in later])
            handles |= zip(later, later_handles, strict=True)
            pending.wait([handles[name] for name in names], len(names), on_progress)
            return {name: engine.output(requests[name], handles[name]) for name in names}

    def _mix(
        self, spec: MultiInstrumentSpec, mix: LocalRequest, clips: Mapping[str, AudioOutput], prompt: str
    ) -> AudioOutput:
        """Mix the stems as they are in their files, which is what a server has."""
        with translated(EXTRA):
            mixing, composition = load("mixing", extra=EXTRA), load("shared.music.mix_spec", extra=EXTRA)
            stems = {name: mixing.Audio(*_samples(clip)) for name, clip in clips.items()}
            mixer = mixing.AudioMixer()
            own = {"levels": spec.levels, "panning": spec.panning, "effects": spec.effects}
            preset = mixing.find_preset(spec.mix_preset) if spec.mix_preset else None
            balanced = mixer.balance(stems, preset, **own) if preset else mixer.mix_tracks(stems, **own)
            target = preset.target_lufs if preset else composition.DEFAULT_LUFS
            asked = mix.asked.model_copy(
                update={"prompt": prompt, "loudness": target if mix.asked.loudness is None else mix.asked.loudness}
            )
            seed = mix.engine_request.seed
            file = self._generator.engine.file(balanced.samples, balanced.sample_rate_hz, asked, seed)
        about = {"prompt": prompt, "model": self._generator.model, "seed": seed, "warnings": file.warnings}
        return AudioOutput(file.data, asked.output_format, **about)


def _faults(error: InvalidRequest) -> list[FieldError]:
    kind = load("shared.errors", extra=EXTRA).FieldError
    return [kind(**fault) for fault in error.details["fields"]]


def _as_part(name: str, request: LocalRequest, tempo_and_key: TempoAndKey, seed: int) -> LocalRequest:
    """Return the request with the prompt and the seed that it has as a part of this piece."""
    prompt = _spec_module().part_prompt(request.asked.prompt, name, tempo_and_key)
    own = _spec_module().seed_of(name, seed) if request.asked.seed is None else request.asked.seed
    return LocalRequest(
        request.asked.model_copy(update={"prompt": prompt, "seed": own}),
        replace(request.engine_request, prompt=prompt, seed=own),
    )


def _conditioned(request: LocalRequest, melody: Any, rate_hz: int) -> LocalRequest:
    """Return the request conditioned on that melody, [samples]."""
    return replace(request, engine_request=replace(request.engine_request, melody=melody, melody_rate_hz=rate_hz))


def _samples(clip: AudioOutput) -> tuple[Samples, int]:
    """Return the samples, [channels, samples], and their rate."""
    frames, rate_hz = soundfile.read(io.BytesIO(clip.data), dtype="float32", always_2d=True)
    return frames.T, rate_hz


def _share(on_progress: Callable[[float], None] | None, share: float) -> Callable[[float], None] | None:
    return None if on_progress is None else lambda percent: on_progress(percent * share)


def _tempo_and_key_module() -> Any:
    return load("shared.music.tempo_and_key", extra=EXTRA)


def _spec_module() -> Any:
    return load("shared.music.multi_instrument", extra=EXTRA)
