"""Run `python -m api.exposure ADDRESS ...`: may a server start on these addresses? (api/auth/exposure.py)"""

import sys

from api.auth.exposure import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
