"""Count a prompt's tokens exactly as the model will, by the tokenizer that its worker left in Redis. No torch."""

from __future__ import annotations

from collections.abc import Callable

from tokenizers import Tokenizer

from shared.workers.registry import WorkerRegistry


class TokenCounters:
    """Cache tokenizers by name, each read once per process."""

    def __init__(self, registry: WorkerRegistry) -> None:
        self._registry = registry
        self._tokenizers: dict[str, Tokenizer] = {}

    def get(self, name: str) -> Callable[[str], int] | None:
        """Return a function prompt -> number of tokens, the end token included; None where no tokenizer is known."""
        if name not in self._tokenizers:
            data = self._registry.tokenizer(name)
            if data is None:
                return None
            tokenizer = Tokenizer.from_str(data)
            tokenizer.no_truncation()
            self._tokenizers[name] = tokenizer
        tokenizer = self._tokenizers[name]
        return lambda prompt: len(tokenizer.encode(prompt).ids)
