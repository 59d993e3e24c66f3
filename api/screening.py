"""Name the prompt filter as PROMPT_FILTER=api.screening:words does (api/services/prompt_filter.py)."""

from api.services.prompt_filter import words as words
