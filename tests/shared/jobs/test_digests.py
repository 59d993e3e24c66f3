"""Digests outlive the version that made them: a field that is not used leaves them as they were."""

from __future__ import annotations

from typing import Any

import pytest

from shared.jobs.digests import music_digest, request_digest
from shared.music.request import MusicRequest


def request(**fields: Any) -> MusicRequest:
    return MusicRequest.model_validate({"prompt": "calm piano", "model": "tiny", "seed": 7} | fields)


def music(**fields: Any) -> str:
    return music_digest(request(**fields), "tiny", "local", "f")


EVERYTHING = {
    "duration": 12.5,
    "temperature": 0.5,
    "top_k": 50,
    "top_p": 0.9,
    "guidance_scale": 4,
    "output_format": "mp3",
    "loudness": -14,
    "title": "Night",
    "client_id": "mine",
    "priority": "low",
    "timeout_s": 60,
    "ttl_s": 60,
    "cache": False,
}
BEGINNING = {"key": "results/a/1.wav", "seconds": 5.0, "sha256": "a", "task": "a", "codes": "results/a/1.codes"}
MELODY = {"key": "uploads/x/melody.flac", "seconds": 2.0, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("fields", "of_the_request", "of_the_music"),
    [
        (
            {},
            "0cc6db537e8cf741a98269a616b548ea78d3116bd372fbf15522b039e3335777",
            "3654f48317099ffa1a7727be91cdc68e5ab10859557cb53ee6d4d337eb949f91",
        ),
        (
            EVERYTHING,
            "98601349334c1e9f5c0f860e1d008793a0066598abd7ac4f3972808838e6128b",
            "5703a6511945b0c5e51e01afc1d6fe01f1ac46bd94375277a5cbef3c27972caa",
        ),
        (
            {"prompt": "", "melody": MELODY},
            "5429132e01d575faad10e978862416d0302656a4e588cfd49432344fcd68ef9b",
            "8c59c1b9eee4d22550d86b0c98a22bb5ea970001c2366a260f2228ff2b82b1b2",
        ),
        (
            {"continue_from": BEGINNING, "continue_seconds": 5},
            "91775f2e6c33a6b2f25f9f39b2e419793a9d7692c019c9b719522edc765e1d66",
            "09890e86278223ab9bdc6ed21f50ffd1b5d2861c186f71e7cf75f54171cb45be",
        ),
        (
            {"stream": True},
            "1cb030abea9d63022177014dfe0f6e10a8c48cedbf2fdb67a6fddb37c51464ce",
            "de31261fe7d2626352dcf65b44d57ccd48a12bb0b74eb2f437758d9bdecb8a80",
        ),
    ],
    ids=["plain", "everything", "melody", "continued", "stream"],
)
def test_the_digests_of_every_version_before_still_hold(
    fields: dict[str, Any], of_the_request: str, of_the_music: str
) -> None:
    assert request_digest(request(**fields)) == of_the_request
    assert music(**fields) == of_the_music


@pytest.mark.parametrize(
    "change",
    [
        *({"loudness": -14.0}, {"loudness": -16.0}, {"title": "Night"}, {"stream": True}),
        *({"tempo_bpm": 94}, {"tempo_bpm": 95}, {"key": "A minor"}, {"key": "A major"}),
    ],
)
def test_what_changes_the_file_or_the_music_changes_both_digests(change: dict[str, Any]) -> None:
    assert request_digest(request(**change)) != request_digest(request())
    assert music(**change) != music()


@pytest.mark.parametrize("change", [{"seconds": 4.0}, {"sha256": "b"}, {"codes": None}])
def test_a_beginning_counts_by_its_content_and_not_by_whose_it_is(change: dict[str, Any]) -> None:
    usual = {"continue_from": BEGINNING}
    same = {"continue_from": BEGINNING | {"key": "results/b/1.wav", "task": "b", "checkpoint": "c"}}
    assert len({music(), music(**usual), music(continue_from=BEGINNING | change)}) == 3
    assert music(**same) == music(**usual)


def test_one_key_holds_on_to_the_task_that_is_gone_on_from_or_to_the_content_of_an_upload() -> None:
    early = {"key": "", "seconds": 5.0, "sha256": "", "task": "a"}  # before it had completed
    upload = {"key": "uploads/x", "seconds": 5.0, "sha256": "a"}
    same = [request_digest(request(continue_from=each)) for each in (early, BEGINNING)]
    others = [BEGINNING | {"task": "b"}, upload, upload | {"sha256": "b"}]
    assert same[0] == same[1] != request_digest(request())
    assert len({same[0], *(request_digest(request(continue_from=each)) for each in others)}) == 4
    again = upload | {"key": "uploads/y"}
    assert request_digest(request(continue_from=again)) == request_digest(request(continue_from=upload))


def test_what_is_given_as_nothing_is_as_if_left_out() -> None:
    nothing = {"loudness": None, "title": " ", "stream": False, "tempo_bpm": None, "key": None}
    assert request_digest(request(**nothing)) == request_digest(request())
    assert music(**nothing) == music()


def test_requests_that_differ_in_tempo_or_key_are_different_music() -> None:
    changes: list[dict[str, Any]] = [{}, {"tempo_bpm": 94}, {"tempo_bpm": 95}, {"key": "A minor"}, {"key": "D minor"}]
    changes.append({"tempo_bpm": 94, "key": "A minor"})
    assert len({music(**change) for change in changes}) == len(changes)
    assert music(key="a MINOR") == music(key="A minor"), "one spelling"
