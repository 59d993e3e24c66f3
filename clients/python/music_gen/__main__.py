"""Run `python -m music_gen`: the command line, where its script is not on the path."""

from music_gen.cli.main import main

main()
