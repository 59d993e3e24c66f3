"""A checkpoint's configuration is read as OmegaConf reads it, without ANTLR."""

from __future__ import annotations

import pytest

from shared.errors import ConfigurationError
from worker.engine.imports.omegaconf import OmegaConf, read_config

EXPORTED = """
sample_rate: 32000
rates: [16000, '${sample_rate}']
encodec: {autoencoder: seanet, sample_rate: '${sample_rate}', channels: '${channels}', of: '${seanet}'}
seanet: {ratios: [8, 5, 4, 4], alpha: 1e-1}
channels: '${layout.channels}'
layout: {channels: 1}
title: 'at ${sample_rate} Hz, ${rates.0}'
dora: {dir: '/checkpoint/${oc.env:USER}/experiments', exclude: '${oc.select:${channels}}'}
one: '${two}'
two: '${one}'
nowhere: '${nobody.knows}'
"""


def test_references_give_the_value_that_they_name() -> None:
    config = read_config(EXPORTED)
    assert config.encodec == {
        "autoencoder": "seanet",
        "sample_rate": 32000,
        "channels": 1,
        "of": {"ratios": [8, 5, 4, 4], "alpha": 0.1},
    }
    assert list(config.rates) == [16000, 32000]
    assert config.title == "at 32000 Hz, 16000"


@pytest.mark.parametrize("path", ["dora.dir", "dora.exclude", "one", "nowhere"])
def test_what_cannot_be_resolved_here_is_missing_and_hinders_nothing_else(path: str) -> None:
    config = read_config(EXPORTED)
    assert OmegaConf.is_missing(OmegaConf.select(config, path.rpartition(".")[0]) or config, path.rpartition(".")[2])


@pytest.mark.parametrize("text", ["", "- 1", "just words"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"xp\.cfg of the checkpoint is not a mapping"):
        read_config(text)
