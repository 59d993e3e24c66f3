"""What a piece of audio is, measured on the audio alone: tempo, scale, percussion, register, melody, soundness."""
