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
    """Several threads may call it."""

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
        score, mix, parts = self._read(prompts, {"duration": duration, **fields, **(mix_settings or {})})
        seed = mix.piece.seed
        asked_prompts = [part.asked.prompt for part in parts.values()]
        tuning = _tuning().choose_tempo_and_key(asked_prompts, score.tempo_bpm, score.key, seed)
        wishes = {name: _settled(name, wish, tuning, seed) for name, wish in parts.items()}
        clips = self._play(score, wishes, _share(on_progress, PARTS_PERCENT / 100))
        mixed = self._mix(score, mix, clips, "; ".join(f"{name}: {wish.asked.prompt}" for name, wish in parts.items()))
        if on_progress is not None:
            on_progress(100.0)
        return Tracks(clips, mixed, tempo_bpm=tuning.tempo_bpm, key=tuning.key)

    def _read(
        self, prompts: object, asked: Mapping[str, Any]
    ) -> tuple[MultiInstrumentSpec, LocalRequest, dict[str, LocalRequest]]:
        """Read what is asked of the mix, and of each part. Raises InvalidRequest that names all that is wrong."""
        studio = self._generator.studio
        score, faults = _score().read_multi_instrument({"instruments": prompts, **asked})
        mix: LocalRequest | None = None
        parts: dict[str, LocalRequest] = {}
        try:
            mix = studio.wish({**score.common, "prompt": ", ".join(each.name for each in score.instruments) or "none"})
        except InvalidRequest as error:
            faults += _faults(error)
        for each in score.instruments:
            try:
                parts[each.name] = studio.wish(score.request_fields(each))
            except InvalidRequest as error:
                faults += _score().faults_of(each, _faults(error))
        if faults or mix is None:
            raise InvalidRequest.of(*(fault.as_dict() for fault in faults))
        return score, mix, parts

    def _play(
        self,
        score: MultiInstrumentSpec,
        wishes: Mapping[str, LocalRequest],
        on_progress: Callable[[float], None] | None,
    ) -> dict[str, AudioOutput]:
        """Make the lead part and those not conditioned on it together, then those that are."""
        studio, names = self._generator.studio, list(wishes)
        leader = names[_score().lead_part_index(score.instruments)]
        later = [each.name for each in score.instruments if each.conditioned and each.name != leader]
        later = later if studio.takes_melodies else []
        with studio.playing() as playing:
            first = [name for name in names if name not in later]
            handles = dict(zip(first, playing.begin([wishes[name] for name in first]), strict=True))
            playing.wait([handles[leader]], len(names), on_progress)
            melody = read_melody(studio.output(wishes[leader], handles[leader]).data)
            following = playing.begin([_conditioned(wishes[name], *melody) for name in later])
            handles |= zip(later, following, strict=True)
            playing.wait([handles[name] for name in names], len(names), on_progress)
            return {name: studio.output(wishes[name], handles[name]) for name in names}

    def _mix(
        self, score: MultiInstrumentSpec, mix: LocalRequest, clips: Mapping[str, AudioOutput], prompt: str
    ) -> AudioOutput:
        """Mix the stems as they are in their files, which is what a server has."""
        with translated(EXTRA):
            mixing, composition = load("mixing", extra=EXTRA), load("shared.music.mix_spec", extra=EXTRA)
            stems = {name: mixing.Audio(*_samples(clip)) for name, clip in clips.items()}
            desk = mixing.AudioMixer()
            own = {"levels": score.levels, "panning": score.panning, "effects": score.effects}
            preset = mixing.find_preset(score.mix_preset) if score.mix_preset else None
            balanced = desk.balance(stems, preset, **own) if preset else desk.mix_tracks(stems, **own)
            target = preset.target_lufs if preset else composition.DEFAULT_LUFS
            asked = mix.asked.model_copy(
                update={"prompt": prompt, "loudness": target if mix.asked.loudness is None else mix.asked.loudness}
            )
            file = self._generator.studio.file(balanced.samples, balanced.sample_rate_hz, asked, mix.piece.seed)
        told = {"prompt": prompt, "model": self._generator.model, "seed": mix.piece.seed, "warnings": file.warnings}
        return AudioOutput(file.data, asked.output_format, **told)


def _faults(error: InvalidRequest) -> list[FieldError]:
    kind = load("shared.errors", extra=EXTRA).FieldError
    return [kind(**fault) for fault in error.details["fields"]]


def _settled(name: str, wish: LocalRequest, tuning: TempoAndKey, seed: int) -> LocalRequest:
    """Return the request with the prompt and the seed that it has as a part of this piece."""
    prompt = _score().part_prompt(wish.asked.prompt, name, tuning)
    own = _score().seed_of(name, seed) if wish.asked.seed is None else wish.asked.seed
    return LocalRequest(
        wish.asked.model_copy(update={"prompt": prompt, "seed": own}), replace(wish.piece, prompt=prompt, seed=own)
    )


def _conditioned(wish: LocalRequest, melody: Any, rate_hz: int) -> LocalRequest:
    """Return the request conditioned on that melody, [samples]."""
    return replace(wish, piece=replace(wish.piece, melody=melody, melody_rate_hz=rate_hz))


def _samples(clip: AudioOutput) -> tuple[Samples, int]:
    """[channels, samples], and their rate."""
    frames, rate_hz = soundfile.read(io.BytesIO(clip.data), dtype="float32", always_2d=True)
    return frames.T, rate_hz


def _share(on_progress: Callable[[float], None] | None, share: float) -> Callable[[float], None] | None:
    return None if on_progress is None else lambda percent: on_progress(percent * share)


def _tuning() -> Any:
    return load("shared.music.tempo_and_key", extra=EXTRA)


def _score() -> Any:
    return load("shared.music.multi_instrument", extra=EXTRA)
