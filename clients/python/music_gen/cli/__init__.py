"""Run the command `music-gen`."""
