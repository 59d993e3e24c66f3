"""Speak the AudioCraft REST API."""
