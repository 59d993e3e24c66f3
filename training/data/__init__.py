"""The training data: short pieces that our own program composes, puts into words and into codes, and renders."""
