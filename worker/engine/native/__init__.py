"""Run decode steps by kernels of our own, written in C and compiled at installation (docs/native.md)."""
