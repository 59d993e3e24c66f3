"""Measure this product against its peers as their users run them, in one run and in turns."""
