"""Run `python -m housekeeping.secrets`: the secrets that sign webhooks (housekeeping/webhook_secrets.py)."""

import sys

from housekeeping.webhook_secrets import main

if __name__ == "__main__":
    sys.exit(main())
