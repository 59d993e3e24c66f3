"""Find out on a GPU what only a GPU can say, in minutes: the steps of `python -m bench.gpu_check`."""
