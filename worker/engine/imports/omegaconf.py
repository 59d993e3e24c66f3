"""Import OmegaConf without ANTLR, and read a checkpoint's configuration with it (`read_config`).

OmegaConf parses what stands in `${...}` with ANTLR's runtime, which is published as source only and takes longer to
import than the rest. A checkpoint's references are plain paths (`sample_rate: ${sample_rate}`), so they are resolved
here, and OmegaConf sees a configuration without any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from shared.errors import ConfigurationError
from worker.engine.imports.stand_ins import stand_ins

with stand_ins():
    from omegaconf import DictConfig, OmegaConf
    from omegaconf._utils import get_yaml_loader

__all__ = ["DictConfig", "OmegaConf", "read_config"]

REFERENCE = re.compile(r"\$\{([\w.]+)\}")
MISSING = "???"  # OmegaConf's own mark: whoever asks for such a value is told which one is missing
MOST_STEPS = 16  # of references to references


def read_config(text: str) -> DictConfig:
    """Read a checkpoint's `xp.cfg`, OmegaConf's YAML, with its references resolved.

    What only the machine that trained it can resolve (`${oc.env:USER}`), or what refers to nothing, is missing (`???`).
    Raises ConfigurationError when it is not a mapping, or yaml.YAMLError.
    """
    tree = yaml.load(text, Loader=get_yaml_loader())
    if not isinstance(tree, dict):
        raise ConfigurationError("xp.cfg of the checkpoint is not a mapping: it was not exported by audiocraft")
    config = OmegaConf.create(_resolved(tree, tree, MOST_STEPS))
    assert isinstance(config, DictConfig)
    return config


def _resolved(value: Any, root: Mapping[str, Any], steps: int) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(item, root, steps) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, root, steps) for item in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    if steps == 0:
        return MISSING
    if match := REFERENCE.fullmatch(value):
        return _resolved(_at(root, match[1]), root, steps - 1)
    parts = [str(_resolved(_at(root, path), root, steps - 1)) for path in REFERENCE.findall(value)]
    text = REFERENCE.sub(lambda _: parts.pop(0), value)
    return MISSING if "${" in text or MISSING in text else text


def _at(root: Mapping[str, Any], path: str) -> Any:
    """Return what that path leads to, or MISSING."""
    found: Any = root
    for key in path.split("."):
        if isinstance(found, str) and (match := REFERENCE.fullmatch(found)):
            found = _at(root, match[1])
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return MISSING
    return found
