"""List the names that audiocraft 1.3.0, demucs 4.1 and OmegaConf 2.3 touch of the libraries that they only import.

tests/worker/engine/imports holds these lists against the real imports, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NoReturn

import torch

from shared.errors import ConfigurationError
from worker.engine.imports.chroma import chroma


class StoodIn(ConfigurationError, AttributeError):
    """Something outside the list was asked for: the checkpoint needs a library that Ostinato does not install."""

    def __init__(self, name: str) -> None:
        library = name.partition(".")[0]
        super().__init__(
            f"{name} is not here: audiocraft imports {library}, but no MusicGen that this server runs needs it, "
            "so it is not installed. Use a checkpoint that does without it"
        )


def _unused(name: str) -> type:
    """Make a class that may be subclassed and named in annotations; to make an object of it raises StoodIn."""

    def refuse(self: object, *args: Any, **kwargs: Any) -> NoReturn:
        raise StoodIn(name)

    return type(name.rpartition(".")[2], (), {"__init__": refuse})


def _unused_of(module: str, *names: str) -> dict[str, object]:
    return {name: _unused(f"{module}.{name}") for name in names}


class _CausalMask:
    """Say that attention is causal: audiocraft's torch backend asks only whether a mask is there (xformers' name)."""


class _NoCache:
    """Hold nothing: OmegaConf's parser makes its cache when it is imported."""


class _Token:
    """Hold the one number that OmegaConf's parser copies when it is imported."""

    EOF = -1


class _NoGrammar:
    """Read ANTLR's tables as empty: OmegaConf's parser reads its grammar when it is imported, and never parses here."""

    def deserialize(self, table: str) -> SimpleNamespace:
        return SimpleNamespace(decisionToState=())


ANTLR = (
    "CommonTokenStream",
    "InputStream",
    "Lexer",
    "ParseTreeListener",
    "ParseTreeVisitor",
    "Parser",
    "ParserRuleContext",
    "RuleContext",
    "TerminalNode",
    "TokenStream",
)

# module: its names. What stands here as a value is what our use of audiocraft needs of it.
NAMES: Mapping[str, Mapping[str, object]] = {
    "antlr4": {
        **_unused_of("antlr4", *ANTLR),
        "ATNDeserializer": _NoGrammar,
        "PredictionContextCache": _NoCache,
        "Token": _Token,
    },
    "antlr4.error": {},
    "antlr4.error.ErrorListener": _unused_of("antlr4.error.ErrorListener", "ErrorListener"),
    # the solvers train: they bring dora, hydra, torchmetrics, all metrics and FSDP
    "audiocraft.solvers": {},
    "audiocraft.solvers.compression": _unused_of("audiocraft.solvers.compression", "CompressionSolver"),
    "av": {},
    "dora": {},
    "flashy": {},
    "flashy.distrib": {},
    "lameenc": {},
    "librosa": {},
    "librosa.filters": {"chroma": chroma},
    "num2words": _unused_of("num2words", "num2words"),
    "spacy": {},
    "xformers": {},
    "xformers.ops": {
        **_unused_of("xformers.ops", "memory_efficient_attention"),
        "LowerTriangularMask": _CausalMask,
        "unbind": torch.unbind,
    },
}

# imported again by audiocraft's functions, at each call
KEPT = frozenset({"xformers", "xformers.ops"})

# module: its names that are imported when they are used
DEFERRED: Mapping[str, tuple[str, ...]] = {
    "transformers": ("EncodecModel", "RobertaTokenizer", "T5EncoderModel", "T5Tokenizer"),
}
