"""Pin requirements/*.in for all systems and Pythons at once: `python -m tools.compile_requirements [UV OPTIONS]`.

One .txt a set, with markers where systems or Pythons differ. Pins stay as they are unless an .in file or an option asks
for others. Only wheels: what is published as source alone is in audiocraft.txt, by hand.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# each after those that it names as constraints
SETS = ("api", "worker", "embedded", "mixing", "dev", "test-clients")
OLDEST_PYTHON = "3.11"


def compile_set(name: str, options: list[str]) -> None:
    """Write requirements/NAME.txt. Raises CalledProcessError when the set has no solution; uv has then said why."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version",
        OLDEST_PYTHON,
    ]
    command += ["--only-binary", ":all:", "--no-header", "--no-annotate", *options]
    subprocess.run([*command, f"{name}.in", "-o", f"{name}.txt"], cwd=ROOT / "requirements", check=True)


def main(options: list[str]) -> None:
    for name in SETS:
        compile_set(name, options)


if __name__ == "__main__":
    main(sys.argv[1:])
