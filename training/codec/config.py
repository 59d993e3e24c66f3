"""Describe the codec in audiocraft's configuration language, and build what it describes."""

from typing import Any

from worker.engine.imports.audiocraft import EncodecModel, builders
from worker.engine.imports.omegaconf import OmegaConf

CODEC_YAML = """
compression_model: encodec
sample_rate: 32000
channels: 1
device: cpu
encodec:
  autoencoder: seanet
  quantizer: rvq
  sample_rate: 32000
  channels: 1
  causal: false
  renormalize: false
seanet:
  dimension: 256
  channels: 1
  causal: false
  n_filters: 16
  n_residual_layers: 1
  ratios: [8, 5, 4, 4]
  activation: ELU
  activation_params: {alpha: 1.0}
  norm: weight_norm
  norm_params: {}
  kernel_size: 7
  residual_kernel_size: 3
  last_kernel_size: 7
  dilation_base: 2
  pad_mode: constant
  true_skip: true
  compress: 2
  lstm: 2
  disable_norm_outer_blocks: 0
  encoder: {n_filters: 8, lstm: 1}
  decoder: {trim_right_ratio: 1.0, final_activation: null, final_activation_params: null}
rvq:
  n_q: 4
  q_dropout: false
  bins: 512
  decay: 0.99
  kmeans_init: true
  kmeans_iters: 20
  threshold_ema_dead_code: 0
"""


def codec_config() -> Any:
    """Return the configuration. Its sizes are what synthesizer.py writes for; the encoder is half as wide."""
    return OmegaConf.create(CODEC_YAML)


def build_codec() -> EncodecModel:
    """Build the codec, untrained."""
    codec = builders.get_compression_model(codec_config())
    assert isinstance(codec, EncodecModel)
    return codec
