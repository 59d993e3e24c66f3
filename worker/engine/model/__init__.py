"""Read a MusicGen checkpoint, and compute with it: conditioning, transformer, sampling."""
