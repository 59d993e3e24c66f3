"""The training data: short pieces that our own program composes, captions and renders."""
