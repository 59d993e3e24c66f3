"""Print one line of progress with the time left, for a terminal and for a log file alike."""

import sys
import time


class Progress:
    """Print at most every few seconds; call it once per step."""

    def __init__(self, name: str, total: int, start: int = 0, every_s: float = 15.0) -> None:
        self.name, self.total, self.start, self.every_s = name, total, start, every_s
        self.begun = time.monotonic()
        self.printed = 0.0

    def __call__(self, step: int, text: str = "", force: bool = False) -> bool:
        """Report that `step` of `total` is done. -> whether a line was printed"""
        now = time.monotonic()
        if not force and now - self.printed < self.every_s and step < self.total:
            return False
        self.printed = now
        done = max(1, step - self.start)
        left_s = (now - self.begun) / done * (self.total - step)
        filled = int(20 * step / max(1, self.total))
        bar = "#" * filled + "." * (20 - filled)
        print(f"{self.name} [{bar}] {step}/{self.total} {left_s / 60:.1f} min left {text}", flush=True)
        sys.stdout.flush()
        return True
