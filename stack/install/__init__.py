"""Install what Ostinato needs into a virtual environment of its own, in the right build for this machine.

Runs before anything is installed: imports the standard library, and of this repository what needs no more. Owns which
build of torch is taken, what is done already, and that a run which was cut off is repaired by the next. Refuses to know
how a Python is found: stack/preflight.sh does that.
"""
