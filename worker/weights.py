"""Run `python -m worker.weights MODEL ...`: fetch what models need ahead of time (worker/engine_factory.py)."""

import sys

from worker.engine_factory import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
