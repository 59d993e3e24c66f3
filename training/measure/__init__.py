"""Measure what a piece of audio is, on the audio alone: tempo, scale, percussion, register, melody, soundness."""
