"""api/uploads: a file that was cut off is refused, one cut between two units is heard, and damage costs itself."""

from __future__ import annotations

import numpy as np
import pytest

from api.uploads.structure import refusals
from api.uploads.structure.refusals import Refusal
from tests.api.uploads.corpus import ID3V1, KINDS, RATE_HZ, SECONDS, hear, id3, junk, patched, recording
from tests.audio_fixtures import contained, file_of, noise

# one unit of each of these says nothing of the next
STREAMED = {
    "vorbis",
    "opus",
    "flac",
    "flac in ogg",
    "mp3 without a count",
    "mp2",
    "aac",
    "live webm",
    "mp4 in fragments",
}
CUTS = [-1, -2, -3, -5, -40, *range(-4001, -1, 487)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_off_is_refused_or_heard_to_its_last_whole_unit(kind: str) -> None:
    whole, refusals = recording(kind), 0
    for cut in [*CUTS, *(len(whole) * tenth // 10 - len(whole) for tenth in range(1, 10))]:
        message, heard_s = outcome(whole[:cut])
        refusals += "cut off" in message
        if not message and heard_s < hear(whole).seconds - 0.01:
            assert kind in STREAMED, cut
            assert heard_s == pytest.approx(SECONDS * (1 + cut / len(whole)), abs=0.35), cut
        assert not message or "cut off" in message or "shorter" in message, (cut, message)
    assert refusals > 6


def outcome(upload: bytes) -> tuple[str, float]:
    try:
        return "", hear(upload).seconds
    except Refusal as refusal:
        return refusal.message, 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_which_only_the_beginning_came_is_refused(kind: str) -> None:
    for size in (1, 4, 9, 12, 30, 45, 100):
        with pytest.raises(Refusal):
            hear(recording(kind)[:size])


def ends_of(data: bytes, mark: bytes) -> list[int]:
    """Where each unit that begins with the mark is whole, since the next one begins."""
    ends, at = [], data.find(mark, 1)
    while at >= 0:
        ends.append(at)
        at = data.find(mark, at + 1)
    return ends


def test_an_ogg_that_ends_with_a_whole_page_is_heard_with_a_warning_if_it_has_no_end_mark() -> None:
    for kind in ("vorbis", "opus", "flac in ogg"):
        ogg = recording(kind)
        heard = hear(ogg[: ends_of(ogg, b"OggS")[-1]])
        assert 0.1 < heard.seconds < SECONDS
        assert ["no end mark" in warning for warning in heard.warnings] == [True]
        assert hear(ogg).warnings == []


def test_fragments_are_heard_to_the_last_whole_one() -> None:
    mp4 = recording("mp4 in fragments")
    moofs = [at - 4 for at in ends_of(mp4, b"moof")]
    assert 0.1 < hear(mp4[: moofs[-2]]).seconds < SECONDS - 0.1
    sound = mp4.index(b"mdat", moofs[-1]) - 4
    with pytest.raises(Refusal, match="cut off"):
        hear(mp4[:sound])


def test_a_live_webm_is_heard_to_its_last_whole_block() -> None:
    webm = recording("live webm")
    clusters = ends_of(webm, b"\x1fC\xb6\x75")
    assert len(clusters) > 3
    assert 0.5 < hear(webm[: clusters[-1]]).seconds < SECONDS
    unknown = webm
    for cluster in clusters:  # as browsers write them
        size = 9 - unknown[cluster + 4].bit_length()
        unknown = patched(unknown, cluster + 4, ((1 << 7 * size + 1) - 1).to_bytes(size, "big"))
    assert hear(unknown) == hear(webm)
    with pytest.raises(Refusal, match="cut off"):
        hear(unknown[:-5])


# counts in an mp3, and whole frames


def test_an_mp3_without_a_count_is_heard_to_its_last_whole_frame() -> None:
    mp3 = recording("mp3 without a count")  # 128 kbit/s: 417 or 418 bytes each
    half = next(at for at in range(len(mp3) // 2, len(mp3)) if mp3[at : at + 2] == b"\xff\xfb" and whole_up_to(mp3, at))
    assert hear(mp3[:half]).seconds == pytest.approx(SECONDS / 2, abs=0.06)
    assert hear(mp3[:half] + ID3V1) == hear(mp3[:half])


def whole_up_to(mp3: bytes, end: int) -> bool:
    at = 0
    while at < end:
        at += 144 * 128_000 // RATE_HZ + (mp3[at + 2] >> 1 & 1)
    return at == end


def test_an_mp3_whose_count_is_more_than_a_second_above_what_is_there_was_cut_off() -> None:
    mp3 = contained(noise(4.0, rate_hz=RATE_HZ, peak=0.5), RATE_HZ, "mp3", "libmp3lame", id3v2_version="0")
    counted = mp3.index(b"Info") + 8
    frames = int.from_bytes(mp3[counted : counted + 4], "big")
    for told, whole in ((frames + 30, True), (frames - 100, True), (0, True), (frames + 45, False)):
        upload = patched(mp3, counted, told.to_bytes(4, "big"))
        if whole:
            assert hear(upload).seconds == pytest.approx(4.0, abs=0.1)
            assert len(hear(upload).warnings) == (told > 0), "the count is told where it is wrong"
        else:
            with pytest.raises(Refusal, match="cut off") as refusal:
                hear(upload)
            assert refusal.value.value.endswith("s are there")


def test_a_vbri_count_is_looked_at_too() -> None:
    mp3 = recording("mp3 without a count")
    length = 417 + (mp3[2] >> 1 & 1)
    for told, whole in ((58, True), (500, False)):
        head = patched(mp3[:4] + bytes(length - 4), 36, b"VBRI\0\x01" + bytes(8) + told.to_bytes(4, "big"))
        if whole:
            assert hear(head + mp3).seconds == pytest.approx(SECONDS, abs=0.1)
        else:
            with pytest.raises(Refusal, match="cut off"):
                hear(head + mp3)


# damage within


@pytest.mark.parametrize("kind", ["mp3", "mp3 without a count", "mp2", "aac", "m4a", "lossless m4a", "flac"])
def test_one_damaged_frame_costs_only_itself(kind: str) -> None:
    whole = recording(kind)
    for at in (len(whole) // 3, len(whole) // 2):
        assert hear(patched(whole, at, junk(40))).seconds == pytest.approx(SECONDS, abs=0.12)


def test_a_damaged_page_costs_that_page_and_is_told() -> None:
    ogg = contained(noise(5.0, rate_hz=48_000), 48_000, "ogg", "libopus", page_duration="200000")
    page = ends_of(ogg, b"OggS")[8]
    heard = hear(patched(ogg, page + 200, junk(30)))
    assert heard.seconds == pytest.approx(4.8, abs=0.1)
    assert ["damaged" in warning for warning in heard.warnings] == [True]


@pytest.mark.parametrize("kind", ["mp3", "mp3 without a count", "aac", "vorbis", "flac", "live webm", "webm"])
def test_a_recording_of_which_half_is_noise_is_refused(kind: str) -> None:
    whole = recording(kind, 4.0)
    half = len(whole) // 2
    with pytest.raises(Refusal, match="damaged or was cut off"):
        hear(whole[: half // 2] + junk(half) + whole[half // 2 + half :])


def test_more_than_a_second_in_the_midst_of_it_may_not_be_missing() -> None:
    mp3 = contained(noise(6.0, rate_hz=RATE_HZ), RATE_HZ, "mp3", "libmp3lame", write_xing="0", id3v2_version="0")
    assert hear(patched(mp3, 30_000, junk(4_000))).seconds == pytest.approx(5.6, abs=0.2)
    with pytest.raises(Refusal, match="damaged"):
        hear(patched(mp3, 30_000, junk(40_000)))


def test_a_tag_that_is_longer_than_the_file_was_cut_off() -> None:
    with pytest.raises(Refusal, match="cut off") as refusal:
        hear(id3(5000)[:3000])
    assert refusal.value.value == "3000 of 5010 bytes of the tag before the sound"


def test_a_flac_cut_from_the_midst_of_a_stream_is_heard() -> None:
    """Its frames are numbered from where the stream began."""
    flac = file_of(noise(3.0, peak=0.5), 32_000, "flac")
    first = flac.index(b"\xff\xf8")
    second = flac.index(b"\xff\xf8", first + 2000)
    heard = hear(flac[:first] + flac[second:])
    assert 2.5 < heard.seconds < 3.0
    assert np.isfinite(heard.seconds)


# a small file that would cost much


@pytest.mark.parametrize(
    "upload",
    [
        recording("wav")[:36] + b"data\0\0\0\0" * 3000,
        recording("caf") + b"abcd" + bytes(8) * 3000,
        recording("live webm") + b"\x1fC\xb6u\x80" * 3000,
        recording("live webm") + b"\x1fC\xb6u\0" * 3000,
        recording("m4a") + b"\0\0\0\x08free" * 3000,
        recording("vorbis") + b"OggS\0\0" * 3000,
        b"\xff\xf1\x50\x80\x00\xff\xfc" * 3000,
        id3(0) * 3000 + recording("mp3"),
    ],
    ids=["chunks", "zeros", "clusters", "damaged clusters", "boxes", "pages", "frames", "tags"],
)
def test_a_file_of_nothing_but_heads_is_given_up(upload: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_UNITS", 1000)
    message, heard_s = outcome(upload)
    assert "more pieces" in message or heard_s == pytest.approx(SECONDS, abs=0.01)


def test_many_files_joined_are_given_up_before_they_are_decoded() -> None:
    with pytest.raises(Refusal, match="more than 100 recordings"):
        hear(recording("flac")[:50] * 200_000)
