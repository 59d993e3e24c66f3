"""Name the file that a clip goes to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from music_gen import AudioOutput
from music_gen.cli.failures import Misuse
from music_gen.cli.output_file import STDOUT, save, target_of
from music_gen.request_fields import OutputFormat

from tests.audio_fixtures import tone


@pytest.fixture
def clip() -> AudioOutput:
    return AudioOutput.from_samples(np.asarray(tone(330, 0.1), dtype=np.float32), 32_000)


def test_a_suffix_or_a_format_says_what_the_file_is_and_a_folder_takes_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (target_of(None, None).path, target_of(None, "mp3").path) == (Path("music.wav"), Path("music.mp3"))
    assert target_of(Path("A.FLAC"), None).format == "flac"
    assert target_of(Path("a"), "ogg").path == Path("a.ogg")
    assert target_of(tmp_path, "mp3").path == tmp_path / "music.mp3"
    assert target_of(STDOUT, None).format == "wav"
    refused: list[tuple[str, OutputFormat | None, str]] = [
        ("a.txt", None, "must end in .wav"),
        ("a", None, "must end in .wav"),
        ("a.txt", "mp3", "must end in .wav"),
        ("a.wav", "mp3", "two formats"),
        ("none/a.wav", None, "no folder none"),
    ]
    for output, format, told in refused:
        with pytest.raises(Misuse, match=told):
            target_of(Path(output), format)


def test_a_file_that_is_there_stays_and_the_next_number_is_taken_unless_forced(
    clip: AudioOutput, tmp_path: Path
) -> None:
    first = tmp_path / "music.wav"
    first.write_bytes(b"mine")
    assert [save(clip, first, force=False).name for _ in range(2)] == ["music-2.wav", "music-3.wav"]
    assert first.read_bytes() == b"mine"
    assert save(clip, first, force=True) == first
    assert first.read_bytes() == clip.data


def test_what_cannot_be_written_leaves_no_file(clip: AudioOutput, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot write that kind"):
        save(clip, tmp_path / "music.m5a", force=False)
    assert list(tmp_path.iterdir()) == []
