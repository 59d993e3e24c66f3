"""What a file says of itself, read back by another library (FFmpeg) than the one that wrote it."""

from __future__ import annotations

import io
import json

import av
import numpy as np
import pytest

from shared.audio.encode import encode
from shared.audio.tags import Tags, tags_of
from shared.jobs.job import Job
from shared.music.formats import FORMATS
from shared.music.request import MusicRequest
from tests.audio_fixtures import read_back, tone

WRITTEN_HERE = [name for name in sorted(FORMATS) if not FORMATS[name].needs_ffmpeg]  # the others: test_aac.py
PROMPT = '静かなピアノ, très calme ♫ "quoted"'


def job(**fields: object) -> Job:
    request = MusicRequest.model_validate({"prompt": PROMPT, "model": "small", "seed": 7} | fields)
    return Job("t1", "tiny", request)


def tags_in(data: bytes) -> dict[str, str]:
    with av.open(io.BytesIO(data)) as file:
        found = {**file.metadata, **file.streams.audio[0].metadata}
    return {name.lower(): text for name, text in found.items()}


@pytest.mark.parametrize("name", WRITTEN_HERE)
@pytest.mark.parametrize("prompt", [PROMPT, "x" * 4000, "長" * 4000], ids=["short", "long", "long in Chinese"])
def test_a_file_has_its_title_prompt_seed_and_model_as_tags(name: str, prompt: str) -> None:
    found = tags_in(encode(tone(), 32_000, name, tags=tags_of(job(prompt=prompt, title="Night 夜"))).data)
    assert found["title"] == "Night 夜"
    assert json.loads(found["comment"]) == {"prompt": prompt, "seed": 7, "model": "tiny"}


@pytest.mark.parametrize("name", WRITTEN_HERE)
def test_tags_change_no_sample_and_equal_tags_give_equal_bytes(name: str) -> None:
    tags = tags_of(job())
    bare, tagged, again = (encode(tone(), 32_000, name, tags=given).data for given in (None, tags, tags))
    assert tagged == again != bare
    np.testing.assert_array_equal(read_back(bare)[0], read_back(tagged)[0])


def test_without_a_title_the_prompts_beginning_is_one() -> None:
    assert tags_of(job(prompt="calm\n  piano")).title == "calm piano"
    long = tags_of(job(prompt="la " * 100)).title
    assert (len(long) <= 80, long.endswith("la...")) == (True, True)


def test_a_melody_without_words_is_untitled() -> None:
    melody = {"key": "uploads/x/melody.flac", "seconds": 1.0, "sha256": "0"}
    assert tags_of(job(prompt="", melody=melody)).title == "Untitled"


def test_an_mp3s_tag_survives_texts_of_every_length() -> None:
    """Its size is written seven bits a byte."""
    for length in (0, 1, 50, 127, 128, 20_000):
        found = tags_in(encode(tone(), 32_000, "mp3", tags=Tags("t" * length, "c")).data)
        assert found.get("title", "") == "t" * length
        assert found["comment"] == "c"
