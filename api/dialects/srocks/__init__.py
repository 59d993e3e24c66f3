"""Speak the S.Rocks.Music API."""
