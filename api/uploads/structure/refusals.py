"""Say what is wrong with an upload, and the remedy."""

from __future__ import annotations

MOST_UNITS = 300_000  # frames, pages, blocks, chunks: ten minutes in the shortest that any encoder makes are fewer
ACCEPTED = "wav, mp3, ogg, flac, m4a, aac, webm, aiff or caf"


class Refusal(Exception):
    """Say what is wrong with the file, and the remedy; `value` is what was found there."""

    def __init__(self, message: str, value: str = "") -> None:
        super().__init__(message)
        self.message, self.value = message, value


def cut_off(value: str) -> Refusal:
    """Return the refusal of a file whose own structure promises more bytes than there are."""
    return Refusal("the file was cut off; upload it again, whole", value)


def damaged(value: str) -> Refusal:
    return Refusal("the file is damaged or was cut off; export it again and upload it whole", value)


def unreadable(value: str) -> Refusal:
    """Return the refusal of a file whose decoder finds nothing in it to decode."""
    message = f"the file is damaged, was cut off, or is not audio that can be read here; send {ACCEPTED}, whole"
    return Refusal(message, value)


def not_accepted(value: str) -> Refusal:
    return Refusal(f"the file's format is not accepted; send {ACCEPTED}", value)


def not_audio() -> Refusal:
    return Refusal(f"the file is not audio that can be read here; send {ACCEPTED}")


class Steps:
    """Count the units that a walk has seen, so that a small file of nothing but heads of units costs little."""

    def __init__(self) -> None:
        self._left = MOST_UNITS

    def take(self) -> None:
        """Raises Refusal after so many that no recording has them."""
        self._left -= 1
        if self._left < 0:
            raise Refusal(
                "the file is made of more pieces than a recording has; export it again, as wav for example",
                f"more than {MOST_UNITS}",
            )
