"""Tell how this process was started, as a line of JSON: `python -m tests.process_report WORD ...`.

"stay": then it waits; a number: it exits with that.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time

PR_GET_PDEATHSIG = 2
STAY_S = 60.0


def at_parent_death() -> int:
    number = ctypes.c_int()
    ctypes.CDLL(None).prctl(PR_GET_PDEATHSIG, ctypes.byref(number))
    return number.value


def main() -> None:
    handles = (os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2))
    told = {
        "argv": sys.argv,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": sys.path,
        "unbuffered": sys.stdout.write_through,
        "handles": list(handles),
        "leads its group": os.getpgrp() == os.getpid(),
        "session": os.getsid(0),
        "at parent's death": at_parent_death(),
        "handlers": {number: str(signal.getsignal(number)) for number in range(1, 32)},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "file size": resource.getrlimit(resource.RLIMIT_FSIZE),
        "threads": len(os.listdir("/proc/self/task")),
        "main": sys.modules["__main__"].__name__,
    }
    print(json.dumps(told))
    if "stay" in sys.argv:
        time.sleep(STAY_S)
    sys.exit(int(sys.argv[1]) if sys.argv[1].isdecimal() else 0)


if __name__ == "__main__":
    main()
