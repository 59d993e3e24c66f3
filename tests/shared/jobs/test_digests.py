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


def test_digests_from_before_loudness_and_titles_still_hold() -> None:
    assert request_digest(request()) == "0cc6db537e8cf741a98269a616b548ea78d3116bd372fbf15522b039e3335777"
    assert music() == "3654f48317099ffa1a7727be91cdc68e5ab10859557cb53ee6d4d337eb949f91"


@pytest.mark.parametrize("change", [{"loudness": -14.0}, {"loudness": -16.0}, {"title": "Night"}, {"stream": True}])
def test_what_changes_the_file_changes_both_digests(change: dict[str, Any]) -> None:
    assert request_digest(request(**change)) != request_digest(request())
    assert music(**change) != music()


BEGINNING = {"key": "results/a/1.wav", "seconds": 5.0, "sha256": "a", "task": "a", "codes": "results/a/1.codes"}


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
    assert request_digest(request(loudness=None, title=None, stream=False)) == request_digest(request())
    assert music(loudness=None, title=" ", stream=False) == music()
