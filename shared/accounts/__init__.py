"""Tell what an account may still use: its keys' states, signed URLs, bytes of audio."""
