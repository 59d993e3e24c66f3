"""api/uploads: a recording is heard whole, whatever stands around it, is joined to it, or its header says of it."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable

import av
import numpy as np
import pytest

from api.uploads.ffmpeg_reader import Container
from api.uploads.structure.mpeg_frames import begins
from api.uploads.structure.refusals import Refusal
from tests.api.uploads.corpus import ID3V1, KINDS, SECONDS, hear, id3, junk, patched, recording
from tests.audio_fixtures import contained, file_of, noise, silence, tone

CHUNK = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf61.1.100\0\0"
AROUND: dict[str, Callable[[bytes], bytes]] = {
    "itself": lambda data: data,
    "behind a tag": lambda data: id3(3000) + data,
    "behind two tags and zeros": lambda data: id3(10) + id3(200) + bytes(555) + data,
    "behind zeros": lambda data: bytes(4000) + data,
    "behind seven bytes of junk": lambda data: junk(7) + data,
    "behind a kilobyte of junk": lambda data: junk(1000) + data,
    "before a tag": lambda data: data + ID3V1,
    "before zeros": lambda data: data + bytes(3000),
    "before a line of text": lambda data: data + b"the end\n",
    "before junk": lambda data: data + junk(300),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_is_heard_whole_whatever_stands_around_it(kind: str, around: str) -> None:
    assert hear(AROUND[around](recording(kind))).seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_recordings_that_were_joined_are_heard_one_after_the_other(kind: str) -> None:
    for rate_hz in (44_100, 48_000):
        joined = recording(kind) + recording(kind, 0.9, rate_hz)
        assert hear(joined).seconds == pytest.approx(SECONDS + 0.9, abs=0.12), rate_hz


@pytest.mark.parametrize("between", [b"\n", junk(100)], ids=["a line's end", "junk"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_between_two_recordings_hides_none_of_them(kind: str, between: bytes) -> None:
    for second, seconds in ((recording(kind, 0.9), 0.9), (recording("wav"), SECONDS)):
        assert hear(recording(kind) + between + second).seconds == pytest.approx(SECONDS + seconds, abs=0.12)


def test_what_is_not_heard_behind_a_recording_is_named() -> None:
    heard = hear(recording("opus") + junk(5000))
    assert heard.warnings == ["5000 bytes behind its sound are no recording: they were not heard"]
    assert hear(recording("opus") + bytes(5000)).warnings == []


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_is_refused_by_its_name_also_when_its_recordings_lie_whole_in_it(kind: str) -> None:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("hum.wav", WAV)
    else:
        with tarfile.open(fileobj=out, mode="w") as tape:
            member = tarfile.TarInfo("hum.wav")
            member.size = len(WAV)
            tape.addfile(member, io.BytesIO(WAV))
    with pytest.raises(Refusal, match="not accepted") as refused:
        hear(out.getvalue())
    assert refused.value.value == kind


def test_recordings_of_different_kinds_may_be_joined_too() -> None:
    kinds = ("wav", "mp3", "flac", "aac", "opus", "m4a", "webm", "aiff", "mp3 without a count", "caf", "w64")
    tagged = b"".join(id3(100) * (kind in ("mp3", "aac")) + recording(kind) for kind in kinds)
    assert hear(tagged).seconds == pytest.approx(len(kinds) * SECONDS, abs=0.4)


def test_frames_of_flac_that_look_like_frames_of_aac_are_flac() -> None:
    flac = file_of(silence(10.0, rate_hz=4000), 4000, "flac", repeat=50)
    assert any(begins(flac, at, len(flac)) == "aac" for at in range(len(flac)))
    assert hear(flac).seconds == pytest.approx(500)


def test_more_recordings_than_anybody_joins_are_refused() -> None:
    with pytest.raises(Refusal, match="more than 100 recordings"):
        hear(file_of(tone(seconds=0.01), 32_000) * 101)


# what a WAV says of itself

WAV = recording("wav")
SIZE = len(WAV) - 44
LIES: dict[str, tuple[int, int]] = {  # the RIFF's length, the data chunk's
    "RecordRTC": (SIZE + 44, SIZE),
    "a RIFF three times as long": (SIZE * 3, SIZE),
    "a RIFF of nothing": (0, SIZE),
    "a RIFF too short": (100, SIZE),
    "never closed": (0, 0),
    "never closed, as by wave.py": (36, 0),
    "into a pipe, by FFmpeg": (0xFFFFFFFF, 0xFFFFFFFF),
    "into a pipe, by arecord": (0x80000024, 0x80000000),
    "into a pipe, by SoX": (0x7FFFF024, 0x7FFFF000),
    "data too short": (SIZE + 36, SIZE // 4),
    "as it was when the recorder was killed": (SIZE // 4 + 36, SIZE // 4),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_wav_is_heard_by_its_content(lie: str) -> None:
    riff, data = LIES[lie]
    wav = patched(patched(WAV, 4, struct.pack("<I", riff)), 40, struct.pack("<I", data))
    assert hear(wav).seconds == pytest.approx(SECONDS, abs=0.001)
    assert bool(hear(wav).warnings) == ("never" in lie or data == SIZE // 4)


def test_the_chunks_around_a_wavs_sound_are_not_heard() -> None:
    behind = WAV[:36] + CHUNK + WAV[36:] + CHUNK * 200
    assert hear(behind) == hear(WAV)
    assert hear(behind[:-10]) == hear(WAV), "only a chunk behind the sound was cut off"


@pytest.mark.parametrize("padding", [b"", b"\0", b" "], ids=["unpadded", "a zero", "a space"])
def test_a_chunk_of_odd_length_hides_no_sound_whether_it_is_padded_or_not(padding: bytes) -> None:
    odd = b"junk" + struct.pack("<I", 7) + b"1234567" + padding
    for size in range(40_000, 40_512, 4):  # its lowest byte may be a letter or not
        wav = WAV[:36] + odd + b"data" + struct.pack("<I", size) + WAV[44 : 44 + size]
        assert hear(wav).seconds == pytest.approx(size / 4 / 44_100)


def test_aac_in_a_wav_is_refused_by_its_name() -> None:
    with pytest.raises(Refusal, match="not accepted") as refused:
        hear(patched(WAV, 20, struct.pack("<H", 0xFF)))
    assert refused.value.value == "AAC in WAV"


def test_lengths_that_were_never_written_cost_no_other_format_its_end() -> None:
    aiff, caf, w64 = recording("aiff"), recording("caf"), recording("w64")
    common, sound = aiff.index(b"COMM"), aiff.index(b"SSND")
    closed_never = patched(patched(aiff, 4, bytes(4)), common + 10, bytes(4))
    data = w64.index(b"data\xf3\xac")
    for upload in (
        patched(closed_never, sound + 4, bytes(4)),
        *(patched(caf, caf.index(b"data") + 4, n.to_bytes(8, "big", signed=True)) for n in (-1, 0, 10_000)),
        *(patched(w64, data + 16, n.to_bytes(8, "little")) for n in (0, 24, 2**63 - 1, 10_000)),
    ):
        assert hear(upload).seconds == pytest.approx(SECONDS, abs=0.001)


# what others say of themselves


@pytest.mark.parametrize("claimed_s", [0, 0.5, 20, 100_000])
def test_a_flac_is_heard_to_the_end_of_its_last_frame(claimed_s: float) -> None:
    flac = recording("flac")
    packed = (flac[21] & 0xF0) << 32 | round(claimed_s * 44_100)
    heard = hear(patched(flac, 21, packed.to_bytes(5, "big")))
    assert heard.seconds == pytest.approx(SECONDS, abs=0.001)
    assert len(heard.warnings) == (claimed_s > 0)


@pytest.mark.parametrize("duration_s", [0.2, 60])
def test_a_webm_with_a_wrong_duration_is_heard_whole(duration_s: float) -> None:
    webm = recording("webm")
    written = webm.index(b"\x44\x89\x88") + 3
    assert hear(patched(webm, written, struct.pack(">d", duration_s * 1000))).seconds == pytest.approx(
        SECONDS, abs=0.05
    )


@pytest.mark.parametrize(("container", "picture"), [("webm", "libvpx"), ("matroska", "libx264"), ("mp4", "libx264")])
def test_sound_that_ends_before_its_picture_is_whole(container: str, picture: str) -> None:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        video = file.add_stream(picture, rate=10, width=64, height=64)
        audio = file.add_stream("libopus" if container == "webm" else "aac", rate=48_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(noise(1.0, rate_hz=48_000), format="fltp", layout="mono")
        sound.sample_rate = 48_000
        cut = av.AudioResampler(format=audio.codec_context.format, frame_size=960)
        for part in [*cut.resample(sound), *cut.resample(None), None]:
            file.mux(audio.encode(part))
        for _ in range(40):
            file.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")))
        file.mux(video.encode(None))
    assert hear(out.getvalue()).seconds == pytest.approx(1.0, abs=0.05)


def test_an_mp3_that_begins_with_silence_is_heard_from_its_beginning() -> None:
    quiet = np.concatenate([silence(2.0), noise(1.0, peak=0.5)], axis=1)
    for options in ({"write_xing": "0"}, {}):
        upload = contained(quiet, 32_000, "mp3", "libmp3lame", **options)
        assert hear(upload).seconds == pytest.approx(3.0, abs=0.1)


def test_of_two_tracks_the_first_is_heard_and_the_other_named() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        tracks = [file.add_stream("aac", rate=48_000, layout="mono") for _ in range(2)]
        for track, seconds in zip(tracks, (1.0, 2.0), strict=True):
            sound = av.AudioFrame.from_ndarray(noise(seconds, rate_hz=48_000), format="fltp", layout="mono")
            sound.sample_rate = 48_000
            cut = av.AudioResampler(format="fltp", frame_size=1024)
            for part in [*cut.resample(sound), *cut.resample(None), None]:
                file.mux(track.encode(part))
    heard = hear(out.getvalue())
    assert heard.seconds == pytest.approx(1.0, abs=0.1)
    assert heard.warnings == ["it has 2 audio tracks: the first was heard"]


def test_an_edit_list_is_kept_and_what_it_leaves_out_is_told() -> None:
    """As a phone writes one when a memo is trimmed: the file holds more than is heard."""
    m4a = recording("m4a")
    at = m4a.index(b"elst") + 12
    heard = hear(patched(m4a, at, struct.pack(">I", 500)))
    assert heard.seconds == pytest.approx(0.5, abs=0.1)
    assert heard.warnings == ["its header says 1.5 s, but there are 0.5 s"]
    assert hear(m4a).warnings == []


def test_what_is_heard_is_bounded_in_each_kind_whatever_its_header_says() -> None:
    for kind in KINDS:
        with pytest.raises(Refusal, match="longer than 1 s"):
            hear(recording(kind), max_s=1.0)


def test_all_joined_together_are_bounded_too() -> None:
    with pytest.raises(Refusal, match="longer than 4 s"):
        hear(recording("flac") * 3, max_s=4.0)


@pytest.mark.parametrize("kind", ["wav", "flac", "flac of one channel", "aiff", "mp3"])
def test_what_costs_too_much_is_refused_before_a_sample_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    channels = 1 if kind.endswith("channel") or kind == "mp3" else 8
    upload = file_of(noise(3.0, rate_hz=48_000, channels=channels), 48_000, kind.partition(" ")[0])
    assert hear(upload, max_samples=channels * 48_000 * 4).seconds == pytest.approx(3.0, abs=0.1)
    monkeypatch.setattr(Container, "blocks", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(Refusal, match="MAX_MELODY_SAMPLES") as refused:
        hear(upload, max_samples=channels * 48_000 * 2)
    assert refused.value.value.endswith(f"48000 Hz x {channels} channels")


def test_a_flac_that_claims_too_much_is_heard_all_the_same() -> None:
    flac = file_of(noise(3.0, rate_hz=48_000), 48_000, "flac")
    length = ((flac[21] & 0xF0) << 32) + 48_000 * 500
    lying = flac[:21] + length.to_bytes(5, "big") + flac[26:]
    assert hear(lying, max_samples=48_000 * 4).seconds == pytest.approx(3.0)
