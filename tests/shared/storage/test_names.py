"""The names of our own blobs: what we write is known again, and nothing else is."""

from __future__ import annotations

import pytest

from shared.jobs.job import Fingerprint, Result, new_id
from shared.music.formats import FORMATS
from shared.storage.names import UPLOAD_KINDS, OwnNames, is_written_name

NAMES = OwnNames("ours/music")


def test_whatever_a_worker_or_an_upload_writes_is_known_again() -> None:
    made_by = Fingerprint("digest", "engine-1", "fp32", "cpu")
    for each in FORMATS.values():
        for attempt in (1, 10, 123):
            key = NAMES.result(new_id(), attempt, each.extension)
            result = Result(key, each.media_type, 1, "0", 1.0, 32000, 1, 0.5, made_by)
            assert NAMES.own(key)
            assert NAMES.own(result.codes_key)
    assert all(NAMES.own(f"{NAMES.upload_folder(new_id())}/{kind}.flac") for kind in UPLOAD_KINDS)


@pytest.mark.parametrize("prefix", ["", "ostinato/", "earlier/", "a/b/c/"])
def test_what_a_record_of_another_prefix_names_is_ours_to_delete_but_not_to_search_for(prefix: str) -> None:
    key = f"{prefix}results/{new_id()}/1.wav"
    assert is_written_name(key)
    assert not NAMES.own(key)


def test_a_folder_whose_name_only_begins_like_ours_is_anothers() -> None:
    key = f"results/{new_id()}/1.wav"
    for other in ("ours/music2", "ours/musi", "ours", "ours/music/deeper", "our./music"):
        assert not NAMES.own(f"{other}/{key}")
    assert not NAMES.own(f"/ours/music/{key}")
    assert not NAMES.own(f"ours/music//{key}")
    assert not NAMES.own(f"ours/music/{key}\n")
    assert not is_written_name(f"{key}/")
    assert not is_written_name(f"my{key}")
