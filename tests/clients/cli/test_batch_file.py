"""Read the requests of a batch from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from music_gen.cli.batch_file import Request, read_requests
from music_gen.cli.failures import Misuse


def read(folder: Path, name: str, text: str, **usual: object) -> list[Request]:
    path = folder / name
    path.write_text(text)
    return read_requests(path, usual)


def test_a_prompt_a_line_becomes_a_request_each_with_a_name_of_its_own(tmp_path: Path) -> None:
    found = read(tmp_path, "p.txt", "# album\ncalm piano, slow\n\n[intro] Drums!\n", seed=7, model=None)
    assert [each.fields for each in found] == [
        {"prompt": "calm piano, slow", "seed": 7},
        {"prompt": "[intro] Drums!", "seed": 7},
    ]
    assert [each.file_name for each in found] == ["1-calm-piano-slow.wav", "2-intro-drums.wav"]
    assert found[1].where.endswith("p.txt:4")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '["calm", {"prompt": "fast", "duration": 3, "output": "b/fast.mp3"}]'),
        ("a.json", '{"requests": ["calm", {"prompt": "fast", "duration": 3, "output": "b/fast.mp3"}]}'),
        ("a.jsonl", '"calm"\n{"prompt": "fast", "duration": 3, "output": "b/fast.mp3"}\n'),
        ("a.txt", 'calm\n\n{"prompt": "fast", "duration": 3, "output": "b/fast.mp3"}'),
    ],
    ids=["array", "the API's body", "lines", "mixed"],
)
def test_json_arrays_and_json_lines_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    calm, fast = read(tmp_path, name, text, output_format="flac", duration=9)
    assert calm.fields == {"prompt": "calm", "output_format": "flac", "duration": 9}
    assert calm.file_name == "1-calm.flac"
    assert fast.fields == {"prompt": "fast", "duration": 3, "output_format": "mp3"}
    assert fast.file_name == "b/fast.mp3"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "\n# nothing\n", "no request in it"),
        ("a.jsonl", '{"prompt": "a"}\n{"prompt": "b",}\n', "a.jsonl:2: begins as JSON and is none"),
        ("a.json", '[{"prompt": "a"}', "no JSON array of requests: Expecting"),
        ("a.json", "7", "no JSON array of requests"),
        ("a.json", '["a", 7]', "request 2: 7 is no request"),
        ("a.jsonl", '{"prompt": "a", "output": "../a.wav"}\n"b"', "a.jsonl:1: output"),
        ("a.jsonl", '{"prompt": "a", "output": "a.txt"}\n"b"', "which ends in .wav"),
        ("a.jsonl", '{"prompt": "a", "output": 7}\n"b"', "output is 7"),
        ("a.jsonl", '{"prompt": "a", "output": "a.wav"}\n\n{"output": "a.wav"}', "a.jsonl:3: output a.wav is that of"),
    ],
)
def test_what_is_no_request_is_named_with_its_place(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(Misuse, match=told):
        read(tmp_path, name, text)


def test_recordings_lie_beside_the_file_or_are_in_it(tmp_path: Path) -> None:
    (tmp_path / "hum.wav").write_bytes(b"hum")
    lines = '{"melody": "hum.wav"}\n{"continue_audio": "data:audio/wav;base64,aHVt", "prompt": "x"}'
    beside, inside = read(tmp_path, "a.jsonl", lines)
    assert beside.fields["melody"] == tmp_path / "hum.wav"
    assert inside.fields["continue_audio"] == b"hum"
    for value, told in (
        ('"no.wav"', "no such file"),
        ("7", "must be an audio file's path"),
        ('"data:,!"', "no data: URI"),
    ):
        with pytest.raises(Misuse, match=f"a.jsonl:2: melody.*{told}"):
            read(tmp_path, "a.jsonl", f'"calm"\n{{"melody": {value}}}')


def test_what_is_no_file_or_no_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="No such file"):
        read_requests(tmp_path / "none.txt", {})
    (tmp_path / "a.wav").write_bytes(b"RIFF\xff\xfe")
    with pytest.raises(Misuse, match="not text in UTF-8"):
        read_requests(tmp_path / "a.wav", {})
