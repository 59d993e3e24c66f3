"""Digests outlive the version that made them: a field that is not used leaves them as they were."""

from __future__ import annotations

from typing import Any

import pytest

from shared.digests import music_digest, request_digest
from shared.request import MusicRequest


def request(**fields: Any) -> MusicRequest:
    return MusicRequest.model_validate({"prompt": "calm piano", "model": "tiny", "seed": 7} | fields)


def music(**fields: Any) -> str:
    return music_digest(request(**fields), "tiny", "local", "f")


def test_digests_from_before_loudness_and_titles_still_hold() -> None:
    assert request_digest(request()) == "0cc6db537e8cf741a98269a616b548ea78d3116bd372fbf15522b039e3335777"
    assert music() == "3654f48317099ffa1a7727be91cdc68e5ab10859557cb53ee6d4d337eb949f91"


@pytest.mark.parametrize("change", [{"loudness": -14.0}, {"loudness": -16.0}, {"title": "Night"}])
def test_what_changes_the_file_changes_both_digests(change: dict[str, Any]) -> None:
    assert request_digest(request(**change)) != request_digest(request())
    assert music(**change) != music()


def test_what_is_given_as_nothing_is_as_if_left_out() -> None:
    assert request_digest(request(loudness=None, title=None)) == request_digest(request())
    assert music(loudness=None, title=" ") == music()
