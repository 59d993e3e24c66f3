"""Check the settings of a mix together before a sample is touched: levels, panning and effects by track."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixing.effects import Effect, Plugin, number_errors, read_chain, shown
from mixing.errors import MixError, SettingError

LEVELS_DB = (-96.0, 24.0)
OFF_DB = LEVELS_DB[0]  # a fader that is closed: the track is left out
PANNING = (-1.0, 1.0)


@dataclass(frozen=True)
class TrackSettings:
    """Hold the settings of a mix by track; a track that is not named is in the middle at 0 dB."""

    levels_db: Mapping[str, float]
    panning: Mapping[str, float]
    chains: Mapping[str, tuple[Effect | Plugin, ...]]

    def audible(self, tracks: Iterable[str]) -> list[str]:
        """Return those of the tracks that are not left out."""
        return [name for name in tracks if self.levels_db.get(name) != OFF_DB]


def check_settings(tracks: Sequence[str], levels: object, panning: object, effects: object) -> TrackSettings:
    """Check the settings. Raises MixError that names every bad one, and every name that is no track."""
    errors: list[SettingError] = []
    if not tracks:
        errors.append(SettingError("tracks", "there is nothing to mix; send at least one track", "0 tracks"))
    given = {}
    for field, by_track in (("levels", levels), ("panning", panning), ("effects", effects)):
        given[field], wrong = _by_track(field, by_track, tracks)
        errors += wrong
    for field, limits in (("levels", LEVELS_DB), ("panning", PANNING)):
        for name, value in given[field].items():
            errors += number_errors(f"{field}.{name}", value, *limits)
    chains = {}
    for name, described in given["effects"].items():
        try:
            chains[name] = read_chain(described, f"effects.{name}")
        except MixError as wrong_chain:
            errors += wrong_chain.errors
    settings = TrackSettings(given["levels"], given["panning"], chains)
    if tracks and not settings.audible(tracks):
        message = f"leaves out every track, at {OFF_DB:g} dB; send a higher level for one that is to be heard"
        errors.append(SettingError("levels", message, shown(dict(given["levels"]))))
    if errors:
        raise MixError(errors)
    return settings


def check_number(field: str, value: object, least: float, most: float) -> None:
    if errors := number_errors(field, value, least, most):
        raise MixError(errors)


def _by_track(field: str, by_track: object, tracks: Sequence[str]) -> tuple[Mapping[str, Any], list[SettingError]]:
    if by_track is None:
        return {}, []
    if not isinstance(by_track, Mapping):
        return {}, [SettingError(field, "must be an object of track names", shown(by_track))]
    known = ", ".join(tracks)
    strangers = [name for name in by_track if name not in tracks]
    errors = [
        SettingError(f"{field}.{name}", f"there is no such track; tracks: {known}", str(name)) for name in strangers
    ]
    return {name: value for name, value in by_track.items() if name in tracks}, errors
