"""Define the effects as plain values: names, settings and ranges, and how they are read from JSON. Computes no audio.

A chain is a sequence of effects, applied first to last:

    [{"type": "equalizer", "frequency_hz": 200, "gain_db": -3}, {"type": "reverb", "wet": 0.2}]

Each setting that is out of range, of another kind, or unknown is reported by its field, and all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

from mixing.errors import MixError, SettingError

LONGEST_CHAIN = 16


def _number(default: float | None, least: float, most: float) -> Any:
    """Declare a setting with its range; without a default it must be given."""
    limits = {"least": least, "most": most}
    return field(metadata=limits) if default is None else field(default=default, metadata=limits)


def _choice(default: str, *choices: str) -> Any:
    return field(default=default, metadata={"choices": choices})


@dataclass(frozen=True)
class _Checked:
    """Refuse settings out of range also when an effect is made in Python. `type` is its name in JSON."""

    type: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.type = cls.__name__.lower()

    def __post_init__(self) -> None:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if errors := _wrong_settings(type(self), values, self.type):
            raise MixError(errors)

    def as_json(self) -> dict[str, Any]:
        """Return the effect as `read_chain` reads it."""
        return {"type": self.type, **asdict(self)}


@dataclass(frozen=True)
class Gain(_Checked):
    """Change the level."""

    gain_db: float = _number(None, -60, 24)


@dataclass(frozen=True)
class Equalizer(_Checked):
    """Raise or lower one band. `q` is its sharpness; for a shelf, 0.71 is the steepest slope without a bump."""

    frequency_hz: float = _number(None, 20, 20_000)
    gain_db: float = _number(None, -24, 24)
    q: float = _number(0.71, 0.1, 18)
    shape: str = _choice("peak", "peak", "low_shelf", "high_shelf")


@dataclass(frozen=True)
class Highpass(_Checked):
    """Remove what is below the frequency, by 12 dB per octave."""

    frequency_hz: float = _number(None, 10, 20_000)


@dataclass(frozen=True)
class Lowpass(_Checked):
    """Remove what is above the frequency, by 12 dB per octave."""

    frequency_hz: float = _number(None, 20, 20_000)


@dataclass(frozen=True)
class Compressor(_Checked):
    """Let what is above the threshold grow by only 1/ratio; `makeup_db` raises everything again."""

    threshold_db: float = _number(-18.0, -60, 0)
    ratio: float = _number(3.0, 1, 20)
    attack_ms: float = _number(10.0, 0.1, 500)
    release_ms: float = _number(120.0, 1, 5000)
    knee_db: float = _number(6.0, 0, 24)
    makeup_db: float = _number(0.0, 0, 24)


@dataclass(frozen=True)
class Limiter(_Checked):
    """Keep true peaks at or below the ceiling, with look-ahead, so that it neither clips nor clicks."""

    ceiling_db: float = _number(-1.0, -24, 0)
    release_ms: float = _number(80.0, 1, 2000)


@dataclass(frozen=True)
class Reverb(_Checked):
    """Add reverberation. `decay_s` is its time to fall by 60 dB, less for the treble by `damping`; `wet` its share."""

    decay_s: float = _number(1.2, 0.1, 10)
    pre_delay_ms: float = _number(12.0, 0, 200)
    damping: float = _number(0.5, 0, 1)
    wet: float = _number(0.2, 0, 1)


@dataclass(frozen=True)
class Delay(_Checked):
    """Add echoes. `feedback` is each echo's level beside the one before; `wet` that of the first one."""

    delay_ms: float = _number(300.0, 1, 2000)
    feedback: float = _number(0.3, 0, 0.95)
    wet: float = _number(0.25, 0, 1)


@dataclass(frozen=True)
class Chorus(_Checked):
    """Add a second voice whose delay sways by `depth_ms` around `centre_ms`, a quarter apart in the two channels."""

    rate_hz: float = _number(0.8, 0.01, 20)
    depth_ms: float = _number(2.0, 0, 20)
    centre_ms: float = _number(12.0, 1, 50)
    wet: float = _number(0.4, 0, 1)


Effect: TypeAlias = Gain | Equalizer | Highpass | Lowpass | Compressor | Limiter | Reverb | Delay | Chorus
EFFECTS: Mapping[str, type[Effect]] = {
    kind.type: kind for kind in (Gain, Equalizer, Highpass, Lowpass, Compressor, Limiter, Reverb, Delay, Chorus)
}
# Anything that is called as plugin(samples, sample_rate_hz) on [channels, samples] may stand in a chain too
Plugin: TypeAlias = Callable[[Any, float], Any]
Chain: TypeAlias = Sequence[Effect | Plugin | Mapping[str, Any]]


def read_chain(described: object, where: str = "effects") -> tuple[Effect | Plugin, ...]:
    """Read the chain that JSON describes; what is an effect or a plugin already is taken as it is.

    Raises MixError that names each bad setting by its field, such as effects[0].wet.
    """
    if not isinstance(described, Sequence) or isinstance(described, str | bytes):
        raise MixError([SettingError(where, 'must be a list such as [{"type": "reverb"}]', shown(described))])
    if len(described) > LONGEST_CHAIN:
        raise MixError([SettingError(where, f"send at most {LONGEST_CHAIN} effects", f"{len(described)} effects")])
    chain: list[Effect | Plugin] = []
    errors: list[SettingError] = []
    for index, one in enumerate(described):
        found = one if isinstance(one, Effect) or callable(one) else _read_effect(one, f"{where}[{index}]")
        if isinstance(found, list):
            errors += found
        else:
            chain.append(found)
    if errors:
        raise MixError(errors)
    return tuple(chain)


def _read_effect(described: object, where: str) -> Effect | list[SettingError]:
    if not isinstance(described, Mapping):
        return [SettingError(where, 'must be an object such as {"type": "reverb"}', shown(described))]
    name = described.get("type")
    kind = EFFECTS.get(name) if isinstance(name, str) else None
    if kind is None:
        message = f"unknown effect; send one of {', '.join(sorted(EFFECTS))}"
        return [SettingError(f"{where}.type", message, shown(name))]
    settings = {str(key): value for key, value in described.items() if key != "type" and value is not None}
    return _wrong_settings(kind, settings, where) or kind(**settings)


def _wrong_settings(kind: type, settings: Mapping[str, object], where: str) -> list[SettingError]:
    known = {f.name: f for f in fields(kind)}
    errors = [
        SettingError(f"{where}.{name}", f"unknown setting; leave it out. Known: {', '.join(known)}", shown(value))
        for name, value in settings.items()
        if name not in known
    ]
    for name, setting in known.items():
        if name in settings:
            errors += _setting_errors(f"{where}.{name}", settings[name], setting.metadata)
        elif setting.default is MISSING:
            errors.append(SettingError(f"{where}.{name}", _range(**setting.metadata), "nothing"))
    return errors


def _setting_errors(field: str, value: object, limits: Mapping[str, Any]) -> list[SettingError]:
    choices = limits.get("choices")
    if choices is None:
        return number_errors(field, value, **limits)
    return [] if value in choices else [SettingError(field, f"send one of {', '.join(choices)}", shown(value))]


def number_errors(field: str, value: object, least: float, most: float) -> list[SettingError]:
    """Return no error for a number in that range; what is no number at all (nan) is in no range."""
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return []
    return [SettingError(field, _range(least, most), shown(value))]


def _range(least: float, most: float) -> str:
    return f"send a number from {least:g} to {most:g}"


def shown(value: object) -> str:
    return repr(value)[:80]
