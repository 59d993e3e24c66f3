"""Speak the Music Gen AI API under /api/v1, its WebSocket included."""
