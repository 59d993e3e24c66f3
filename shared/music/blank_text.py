"""Tell text that shows something from text that looks empty, by the Unicode categories of its characters."""

from __future__ import annotations

import unicodedata

INVISIBLE_CATEGORIES = "ZCM"  # separators, controls and unassigned ones, marks without a letter to stand on
# letters and symbols that draw nothing: fillers, the blank Braille cell, a null notehead, blank hieroglyphs
FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159\U00013441\U00013442")
# pictographs, also those that this Python's Unicode does not know yet (Extended_Pictographic reserves them)
PICTOGRAPHS = (range(0x1F000, 0x1FB00), range(0x1FC00, 0x1FFFE))


def is_blank(text: str) -> bool:
    """Return whether no character of the text can be seen."""
    return not any(map(_is_visible, text))


def _is_visible(character: str) -> bool:
    if character in FILLERS:
        return False
    if unicodedata.category(character)[0] not in INVISIBLE_CATEGORIES:
        return True
    return any(ord(character) in span for span in PICTOGRAPHS)
