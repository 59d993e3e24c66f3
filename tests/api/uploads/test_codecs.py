"""api/uploads/ffmpeg_reader.py: which codecs are opened, and that no other is, not even to look."""

from __future__ import annotations

import io
import struct
from typing import Any

import av
import pytest

from api.uploads import ffmpeg_reader
from api.uploads.ffmpeg_reader import Container
from api.uploads.structure.refusals import Refusal
from tests.api.uploads.corpus import INSIDE, hear, patched, recording
from tests.audio_fixtures import contained, noise

SOUND = noise(1.0, rate_hz=48_000, channels=2, peak=0.5)


def refused() -> dict[str, tuple[str, bytes]]:
    """Name -> (FFmpeg's reader, a file that says it is coded so)."""
    ac3, vorbis = (contained(SOUND, 48_000, "matroska", codec) for codec in ("ac3", "vorbis"))
    return {
        "wmav2": ("matroska", as_wma(vorbis)),
        "ac3": ("mov", contained(SOUND, 48_000, "mp4", "ac3")),
        "eac3": ("mov", contained(SOUND, 48_000, "mp4", "eac3")),
        "dca": ("matroska", ac3.replace(b"A_AC3", b"A_DTS", 1)),
        "truehd": ("matroska", vorbis.replace(b"A_VORBIS", b"A_TRUEHD", 1)),
    }


def as_wma(vorbis: bytes) -> bytes:
    """A file with A_MS/ACM for its codec, and in place of Vorbis's own headers a WAVEFORMATEX."""
    private = vorbis.index(b"\x63\xa2")
    form = struct.pack("<HHIIHHH", 0x161, 2, 48_000, 16_000, 2048, 16, 10) + bytes(10)
    begin = private + 2 + 9 - vorbis[private + 2].bit_length()
    return patched(vorbis, begin, form).replace(b"A_VORBIS", b"A_MS/ACM", 1)


@pytest.mark.parametrize("codec", ["wmav2", "ac3", "eac3", "dca", "truehd"])
def test_a_codec_that_is_not_listed_is_refused_by_its_name(codec: str) -> None:
    _, upload = refused()[codec]
    with pytest.raises(Refusal, match="format is not accepted") as caught:
        hear(upload)
    assert caught.value.value == f"coded as {codec}"


@pytest.mark.parametrize("codec", ["ac3", "eac3"])
def test_but_for_the_list_its_decoder_would_be_opened(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg_reader, "CODECS", ffmpeg_reader.CODECS | {codec})
    assert hear(refused()[codec][1]).seconds == pytest.approx(1.0, abs=0.1)


class Opened:
    """The codecs that FFmpeg refused to open, as it told its log while a container was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[Any] = []
        really = av.open

        def noted(*given: Any, **options: Any) -> Any:
            self.files.append(really(*given, **options))
            return self.files[-1]

        monkeypatch.setattr(av, "open", noted)

    def names(self) -> list[str]:
        contexts = [stream.codec_context for file in self.files for stream in file.streams if stream.codec_context]
        return [context.name for context in contexts if context.is_open]


def test_no_decoder_is_open_of_what_is_refused_nor_while_a_container_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = Opened(monkeypatch)
    for reader, upload in refused().values():
        with pytest.raises(Refusal):
            Container(io.BytesIO(upload), reader)
    aac = Container(io.BytesIO(recording("m4a")), "mov")
    assert opened.names() == []
    next(aac.blocks())
    assert opened.names() == ["aac"]


def test_probing_has_no_codec_in_reach() -> None:
    """FFmpeg tells its log of each that it may not open to look."""
    av.logging.set_level(av.logging.VERBOSE)
    try:
        with av.logging.Capture() as said:
            for reader, upload in refused().values():
                with pytest.raises(Refusal):
                    Container(io.BytesIO(upload), reader)
    finally:
        av.logging.set_level(None)
    assert {text.split("(")[1].split(")")[0] for _, _, text in said if "not on whitelist 'none'" in text} >= {
        "wmav2",
        "ac3",
    }


def test_a_picture_beside_the_sound_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as file:
        video = file.add_stream("libvpx", rate=10, width=64, height=64)
        audio: Any = file.add_stream("libopus", rate=48_000, layout="stereo")
        sound = av.AudioFrame.from_ndarray(SOUND, format="fltp", layout="stereo")
        sound.sample_rate = 48_000
        cut = av.AudioResampler(format=audio.codec_context.format, frame_size=960)
        for part in [*cut.resample(sound), *cut.resample(None), None]:
            file.mux(audio.encode(part))
        for _ in range(10):
            file.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(video.encode(None))
    opened = Opened(monkeypatch)
    assert hear(out.getvalue()).seconds == pytest.approx(1.0, abs=0.1)
    assert opened.names() == ["opus"]


def test_every_format_that_is_read_has_its_codec_on_the_list() -> None:
    codecs = {codec.removeprefix("lib").replace("mp3lame", "mp3float") for _, codec, _ in INSIDE.values()}
    assert codecs - {"mp2"} <= ffmpeg_reader.CODECS | {"vorbis"}


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"#!AMR\n", "AMR"),
        (bytes.fromhex("3026b2758e66cf11"), "WMA (ASF)"),
        (b"MThd\0\0\0\6", "MIDI"),
        (b".snd\0\0\0\x18", "AU"),
        (b"RIFF\0\0\1\0AVI LIST", "AVI"),
        (b"\x0b\x77\x12\x34", "AC-3"),
        ((b"G" + bytes(187)) * 3, "MPEG transport stream"),
        (b"wvpk", "WavPack"),
    ],
)
def test_what_people_send_and_is_not_read_is_named(start: bytes, name: str) -> None:
    with pytest.raises(Refusal, match="send wav, mp3") as caught:
        hear(start + bytes(600))
    assert caught.value.value == name
