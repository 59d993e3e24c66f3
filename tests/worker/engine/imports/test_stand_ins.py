"""What audiocraft only imports is stood in for, by exactly the names that it touches."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from worker.engine.imports.names import DEFERRED, KEPT, NAMES, StoodIn
from worker.engine.imports.stand_ins import stand_ins

ROOT = Path(__file__).resolve().parents[4]
WATCHED = """
import json, sys
from worker.engine.imports import stand_ins

touched = {}
read = stand_ins.StandIn.__getattribute__

def watch(module, attribute):
    if not attribute.startswith("_"):
        touched.setdefault(read(module, "__name__"), set()).add(attribute)
    return read(module, attribute)

stand_ins.StandIn.__getattribute__ = watch
import worker.engine.imports.audiocraft
import worker.engine.imports.demucs
import worker.engine.imports.omegaconf

# the parts of a model that use such names: chroma, and a transformer as the published checkpoints describe it
import torch
worker.engine.imports.audiocraft.ChromaExtractor(32000, radix2_exp=10)
from audiocraft.modules.transformer import StreamingTransformer
transformer = StreamingTransformer(8, 2, 1, 8, causal=True, custom=True, memory_efficient=True)
transformer(torch.zeros(1, 3, 8))
with transformer.streaming():
    transformer(torch.zeros(1, 1, 8))

names = sorted(name for name in sys.modules if isinstance(sys.modules[name], stand_ins.StandIn))
loaded = sorted({"librosa", "scipy", "sklearn", "transformers", "matplotlib"} & sys.modules.keys())
touched = {name: sorted(found) for name, found in touched.items()}
demucs = sorted(name for name in sys.modules if name.startswith("demucs."))
print(json.dumps({"touched": touched, "left": names, "loaded": loaded, "demucs": demucs}))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, dict[str, list[str]]]:
    """What audiocraft's real import touches in a fresh process, and what it leaves there."""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", WATCHED], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return dict(json.loads(run.stdout.splitlines()[-1]))


def test_the_lists_hold_what_the_real_imports_touch_and_nothing_else(seen: dict[str, dict[str, list[str]]]) -> None:
    listed = {name: set(names) for name, names in {**NAMES, **DEFERRED}.items()}
    modules = listed.keys()
    touched = {
        name: {attribute for attribute in seen["touched"].get(name, ()) if f"{name}.{attribute}" not in modules}
        for name in modules
    }
    assert touched == listed


def test_only_what_audiocraft_imports_at_each_call_stays(seen: dict[str, dict[str, list[str]]]) -> None:
    assert set(seen["left"]) == KEPT


def test_the_import_loads_none_of_what_is_heavy_and_used_later(seen: dict[str, dict[str, list[str]]]) -> None:
    assert seen["loaded"] == []


def test_what_audiocraft_imports_of_demucs_when_a_melody_comes_is_there_already(
    seen: dict[str, dict[str, list[str]]],
) -> None:
    package = find_spec("audiocraft")
    assert package is not None
    assert package.origin is not None
    text = (Path(package.origin).parent / "modules" / "conditioners.py").read_text()
    whole = set(re.findall(r"^ +from (demucs[.]\w+) import", text, re.M))
    whole |= {f"demucs.{name}" for name in re.findall(r"^ +from demucs import (\w+)", text, re.M)}
    assert "demucs.audio" in whole
    assert whole <= set(seen["demucs"])


def test_a_name_that_is_not_listed_is_refused_by_name() -> None:
    with stand_ins():
        import spacy

        with pytest.raises(StoodIn, match=r"spacy\.load is not here.*Use a checkpoint that does without it"):
            spacy.load("en_core_web_sm")
        with pytest.raises(ImportError, match="memory_leak"):
            from xformers.ops import memory_leak  # noqa: F401


def test_a_listed_name_that_is_only_named_is_refused_when_it_is_called() -> None:
    with stand_ins():
        from num2words import num2words

    with pytest.raises(StoodIn, match=r"num2words\.num2words is not here"):
        num2words(3)


def test_a_real_library_is_back_when_the_import_is_done() -> None:
    real = json
    sys.modules["av"] = real
    try:
        with stand_ins():
            assert sys.modules["av"] is not real
        assert sys.modules["av"] is real
    finally:
        del sys.modules["av"]


def test_a_real_library_is_back_when_the_import_fails() -> None:
    with pytest.raises(ZeroDivisionError), stand_ins():
        raise ZeroDivisionError
    assert "spacy" not in sys.modules
