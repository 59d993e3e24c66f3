"""Converted clips in files without a name: made once, read by many, the newest of them kept."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.conversion.converted_clip import ConvertedClip, ConvertedClips
from shared.errors import Unavailable


def clip_of(data: bytes) -> ConvertedClip:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is the clip's
    file.write(data)
    return ConvertedClip.of(file, "audio/ogg")


def counted(made: list[str], name: str, size: int = 10) -> Callable[[], ConvertedClip]:
    def make() -> ConvertedClip:
        made.append(name)
        return clip_of(name.encode() * size)

    return make


def test_the_newest_are_kept_up_to_a_size_and_one_that_is_larger_is_served_all_the_same() -> None:
    clips, made = ConvertedClips(25, 10.0), list[str]()
    for name in ("a", "b", "a", "c", "b", "a"):  # at most two of ten bytes
        assert clips.get(name, counted(made, name)).open().read() == name.encode() * 10
    assert made == ["a", "b", "c", "b", "a"]
    assert clips.get("large", counted(made, "large", 100)).bytes == 500
    assert clips.get("large", counted(made, "large", 100)).bytes == 500
    assert made[5:] == ["large", "large"]


def test_readers_at_once_read_their_own_ranges_also_of_a_clip_that_is_no_longer_kept() -> None:
    clips = ConvertedClips(0, 10.0)
    clip = clips.get("k", lambda: clip_of(bytes(range(256)) * 4096))
    readers = [clip.open((first, first + 99_999)) for first in (0, 50, 300_000)]
    read = [b"".join(reader) for reader in readers]
    assert [len(each) for each in read] == [100_000] * 3
    assert [each[0] for each in read] == [0, 50, 300_000 % 256]


def test_those_who_ask_for_the_same_at_once_wait_for_one_and_a_failure_is_nobody_elses() -> None:
    clips, made, go_on = ConvertedClips(100, 10.0), list[str](), threading.Event()

    def fail() -> ConvertedClip:
        raise ValueError("no such codec")

    def slow() -> ConvertedClip:
        go_on.wait(10)
        return counted(made, "k")()

    with pytest.raises(ValueError, match="codec"):
        clips.get("k", fail)
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(clips.get, "k", slow) for _ in range(4)]
        go_on.set()
        assert len({each.result() for each in asking}) == 1
    assert made == ["k"]


def test_nobody_waits_without_end_for_what_another_request_has_begun() -> None:
    clips, made, begun, go_on = ConvertedClips(100, 0.05), list[str](), threading.Event(), threading.Event()

    def slow() -> ConvertedClip:
        begun.set()
        go_on.wait(10)
        return counted(made, "k")()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(clips.get, "k", slow)
        assert begun.wait(10)
        with pytest.raises(Unavailable, match="under way"):
            clips.get("k", counted(made, "again"))
        assert clips.get("other", counted(made, "other")).bytes == 50
        go_on.set()
        assert first.result() is clips.get("k", counted(made, "again"))
    assert "again" not in made
