"""data: URIs become the bytes that they hold, and each wrong one is refused with what is wrong and the remedy."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.uploads.base64_turns import Turns
from api.uploads.data_uris import BLOCK_CHARS, DataUri, opened
from shared.errors import InvalidMelody, Unavailable

RECORDING = bytes(range(256)) * 5
CODED = base64.b64encode(RECORDING).decode()


def read(sent: object) -> tuple[bytes, str | None]:
    with opened(sent) as (file, digest):
        return file.read(), digest


@pytest.mark.parametrize(
    "head",
    [
        "data:audio/wav;base64,",
        "DATA:Audio/WAV;BASE64,",
        "data:audio/webm;codecs=opus;base64,",
        'data:audio/mp4;codecs="mp4a.40.2";rate=48000;base64,',
        "data:video/webm;codecs=vp8,opus;base64,",
        "data:audio/x-m4a;base64,",
        "data:video/mp4;base64,",
        "data:application/ogg;base64,",
    ],
)
def test_an_audio_type_in_base64_is_read_with_any_parameters(head: str) -> None:
    assert read(head + CODED) == (RECORDING, hashlib.sha256(RECORDING).hexdigest())


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5])
def test_a_long_one_is_decoded_block_by_block(size: int) -> None:
    recording = b"x" * (BLOCK_CHARS // 4 * 3 * 2 + size)
    text = b"junk" + b"data:audio/wav;base64," + base64.b64encode(recording) + b'", "seed": 1}'
    uri = DataUri(io.BytesIO(text), 4, len(text) - 4 - len(b'", "seed": 1}'))
    assert uri.decoded_bytes == len(recording)
    assert read(uri)[0] == recording


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("https://example.com/hum.wav", ("is an address", "nothing is fetched", "data:audio/wav;base64,")),
        (" HTTP://example.com/hum.wav", ("is an address", "multipart form")),
        ("hum.wav", ("is no data: URI", "multipart form")),
        ("", ("is no data: URI",)),
        (CODED, ("is no data: URI", "data:audio/wav;base64,")),
        (7, ("is no data: URI",)),
        ({"key": "uploads/other/melody.flac"}, ("is no data: URI",)),
        ([f"data:audio/wav;base64,{CODED}"], ("is no data: URI",)),
        ("data:", ("without ;base64,",)),
        ("data:audio/wav;base64", ("without ;base64,",)),
        (f"data:audio/wav;x={'y' * 600};base64,{CODED}", ("without ;base64, in its first 512 characters",)),
        ("data:audio/wav,%52%49%46%46", ("percent-encoding is not read",)),
        (f"data:audio/wav,{CODED}", ("without base64",)),
        (f"data:text/html;base64,{CODED}", ("'text/html', which is no audio",)),
        (f"data:application/octet-stream;base64,{CODED}", ("which is no audio",)),
        (f"data:audio;base64,{CODED}", ("which is no audio",)),
        (f"data:;base64,{CODED}", ("'text/plain', which is no audio",)),
        ("data:audio/wav;base64,", ("with nothing in it",)),
        (f"data:audio/wav;base64,{CODED[:-1]}", ("cut off or lacks its padding",)),
        (f"data:audio/wav;base64,{CODED[:41]}", ("cut off or lacks its padding", "41 characters")),
        ("data:audio/wav;base64,====", ("padding (=) before its end",)),
        ("data:audio/wav;base64,AA==AAAA", ("padding (=) before its end",)),
        ("data:audio/wav;base64,AAA=AAA=", ("padding (=) before its end",)),
        (f"data:audio/wav;base64,{CODED[:76]}\n{CODED[76:]}", ("line break as character 77", "base64 -w0")),
        (f"data:audio/wav;base64, {CODED}", ("blank or a line break as character 1",)),
        ("data:audio/wav;base64,AA-_", ("base64 for addresses: - is character 3",)),
        ("data:audio/wav;base64,AA%2B", ("percent-encoding in its base64: % is character 3",)),
        ("data:audio/wav;base64,AA\\/A", (r"'\\', which is no base64, as character 3",)),
        ("data:audio/wav;base64,AAé=", ("which is no base64, as character 3",)),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_remedy(sent: object, words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidMelody) as refused:
        read(sent)
    (fault,) = refused.value.errors
    for each in words:
        assert each in fault.message
    assert len(fault.value) <= 120
    assert ("send " in fault.message) or ("write " in fault.message)


def test_padding_at_a_blocks_end_that_is_not_the_last_is_refused() -> None:
    with pytest.raises(InvalidMelody, match="goes on behind its padding"):
        read("data:audio/wav;base64," + "A" * (BLOCK_CHARS - 1) + "=" + "AAAA")


def test_a_wrong_character_far_behind_is_told_by_its_place() -> None:
    with pytest.raises(InvalidMelody, match=f"as character {2 * BLOCK_CHARS + 6} "):
        read("data:audio/wav;base64," + "A" * (2 * BLOCK_CHARS + 5) + "!AA")


def test_so_many_have_their_turn_at_once_and_one_more_than_may_wait_is_told_to_come_again() -> None:
    turns, entered, go = Turns(2, 1, 30.0), threading.Semaphore(0), threading.Event()
    inside = list[int]()

    def hold() -> int:
        inside.append(1)
        entered.release()
        go.wait(30)
        inside.pop()
        return len(inside)

    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(turns.run, hold) for _ in range(2)]
        assert all(entered.acquire(timeout=30) for _ in held)
        third = pool.submit(turns.run, hold)
        while turns._admitted.acquire(blocking=False):  # the third is not there yet
            turns._admitted.release()
        with pytest.raises(Unavailable, match="try again"):
            turns.run(hold)
        assert not entered.acquire(timeout=0.1), "two at once"
        go.set()
        assert all(each.result(30) < 2 for each in [*held, third])
    assert turns.run(hold) == 0, "every place is free again"


def test_who_waits_too_long_is_told_to_come_again() -> None:
    turns, entered, go = Turns(1, 1, 0.05), threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(turns.run, lambda: (entered.set(), go.wait(30)))
        assert entered.wait(30)
        with pytest.raises(Unavailable):
            turns.run(lambda: None)
        go.set()
        held.result(30)
