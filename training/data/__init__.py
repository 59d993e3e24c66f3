"""Compose short pieces, put them into words and into codes, and render them: the training data."""
