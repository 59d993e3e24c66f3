"""Text that shows nothing is blank, whatever it is made of; whatever shows something is not."""

from __future__ import annotations

import pytest

from shared.errors import InvalidRequest
from shared.music.blank_text import is_blank
from shared.music.parse_request import parse_request

BLANK = {
    "nothing": "",
    "spaces of every kind": " \t\n\u00a0\u1680\u2003\u202f\u205f\u3000\u2028\u2029",
    "controls": "\x01\x7f\x85",
    "zero width": "\u200b\u200c\u200d\u2060\ufeff\u00ad\u061c\u180e",
    "directions": "\u200e\u202a\u2066\u2069",
    "fillers": "\u115f\u1160\u3164\uffa0",
    "blank Braille": "\u2800",
    "marks alone": "\u0301\u20e3\ufe0f\u034f\u17b4\U000e0100",
    "tags alone": "\U000e0041\U000e007f",
    "private and unassigned": "\ue000\U000f0000\u0378\ufdd0",
    "a musical null notehead": "\U0001d159",
}
SEEN = {
    "a letter": "a",
    "a letter among fillers": "\u3164a\u3164",
    "an accent on a letter": "e\u0301",
    "hangul": "\u1112\u1161\u11ab",
    "a note": "\u266a",
    "an emoji": "\U0001f3b5",
    "joined emoji": "\U0001f469\u200d\U0001f3a4",
    "an emoji by its variation": "\u2764\ufe0f",
    "a keycap": "1\ufe0f\u20e3",
    "a flag": "\U0001f1eb\U0001f1f7",
    "a flag of tags": "\U0001f3f4\U000e0067\U000e0062\U000e007f",
    "a skin tone": "\U0001f44b\U0001f3fd",
    "an emoji newer than Python's tables": "\U0001fae9",
    "one that is only reserved": "\U0001faff",
    "punctuation": "?",
    "Braille": "\u2801",
}


@pytest.mark.parametrize("text", BLANK.values(), ids=BLANK)
def test_what_cannot_be_seen_is_blank(text: str) -> None:
    assert is_blank(text)
    with pytest.raises(InvalidRequest, match="prompt: is empty or blank"):
        parse_request({"prompt": text, "model": "tiny"}, None)


@pytest.mark.parametrize("text", SEEN.values(), ids=SEEN)
def test_what_can_be_seen_is_not(text: str) -> None:
    assert not is_blank(text)
    assert parse_request({"prompt": text, "model": "tiny"}, None).prompt == text
