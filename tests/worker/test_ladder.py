"""The rungs of each device and setting, and how far a worker may step down."""

from __future__ import annotations

import json

import pytest

from shared.errors import ConfigurationError
from shared.settings import Settings
from worker.ladder import REASON_LENGTH, VARIABLE, Ladder, RungFailed, ladder_for

SETTINGS = Settings(_env_file=None)


def rungs(device: str, *, kernels: bool = True, **changes: object) -> tuple[str, ...]:
    return ladder_for(SETTINGS.model_copy(update=changes), device, kernels=kernels).rungs


def test_each_device_has_its_own_rungs_and_the_last_is_audiocrafts_loop() -> None:
    assert rungs("cuda") == ("graphs", "eager", "audiocraft")
    assert rungs("cpu") == ("native", "eager", "audiocraft")
    assert rungs("cpu", kernels=False) == ("eager", "audiocraft")
    assert rungs("mps") == ("audiocraft",)


def test_settings_take_rungs_away() -> None:
    assert rungs("cuda", graphs="off") == ("eager", "audiocraft")
    assert rungs("cuda", engine="ostinato") == ("graphs", "eager")
    assert rungs("cuda", engine="audiocraft") == ("audiocraft",)
    assert rungs("cuda", runner="eager") == ("eager",)


@pytest.mark.parametrize(
    ("device", "changes", "message"),
    [
        ("cpu", {"runner": "graphs"}, "RUNNER=graphs is not to be had on cpu; set one of: native, eager, audiocraft"),
        ("cuda", {"runner": "graphs", "graphs": "off"}, "on cuda, GRAPHS=off; set one of: eager, audiocraft, or auto"),
        ("cuda", {"runner": "audiocraft", "engine": "ostinato"}, "on cuda, ENGINE=ostinato; set one of"),
    ],
)
def test_a_rung_that_the_device_does_not_have_is_refused_by_name(
    device: str, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rungs(device, **changes)


def test_each_failure_is_one_rung_down_until_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = []
    for expected in ("native", "eager", "audiocraft"):
        ladder = ladder_for(SETTINGS, "cpu", kernels=True)
        assert ladder.rung == expected
        failed = RungFailed(ladder, f"no {expected}\n  here " + "x" * 900)
        sentences.append(str(failed))
        monkeypatch.setenv(VARIABLE, json.dumps(failed.ladder.failed))
    assert sentences[0].startswith("RUNNER=native does not work here (no native here xxx")
    assert sentences[0].endswith("going on with eager")
    assert sentences[-1].startswith("no way to decode works on this machine (native: no native here")
    assert len(sentences[-1]) < 4 * REASON_LENGTH
    assert ladder_for(SETTINGS, "cpu", kernels=True).rung is None


@pytest.mark.parametrize("value", ["", "no JSON", "[1]", '"x"', '{"unknown": "y"}'])
def test_a_variable_that_no_worker_wrote_takes_no_rung_away(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert ladder_for(SETTINGS, "cpu", kernels=True) == Ladder(("native", "eager", "audiocraft"))


def test_what_failed_elsewhere_is_no_reason_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps({"graphs": "no memory", "native": "a crash"}))
    assert ladder_for(SETTINGS, "cpu", kernels=True).reason == "native: a crash"
    assert ladder_for(SETTINGS.model_copy(update={"runner": "eager"}), "cuda", kernels=True).reason is None


def test_a_ladder_of_which_nothing_was_left_says_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps(dict.fromkeys(("native", "eager", "audiocraft"), "a crash")))
    failed = RungFailed(ladder_for(SETTINGS, "cpu", kernels=True))
    assert failed.ladder.rung is None
    assert str(failed).startswith("no way to decode works on this machine (native: a crash; eager: a crash;")
