"""Speak the API of /v1/audio/music."""
