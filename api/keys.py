"""Run `python -m api.keys`: make, list and disable API keys (api/auth/keys_command.py)."""

import sys

from api.auth.keys_command import main

if __name__ == "__main__":
    sys.exit(main())
