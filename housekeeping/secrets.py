"""Run `python -m housekeeping.secrets`: the secrets that sign webhooks (housekeeping/webhooks/signing_secrets.py)."""

import sys

from housekeeping.webhooks.signing_secrets import main

if __name__ == "__main__":
    sys.exit(main())
