"""Name the classes of priority that a request may ask for. shared/jobs/priority_order.py says how they take turns."""

from __future__ import annotations

from typing import Literal

Priority = Literal["high", "normal", "low"]
CLASSES: tuple[Priority, ...] = ("high", "normal", "low")
