"""Compare an engine with audiocraft's own results before its first request, and keep what was found."""
