"""Describe the language model in audiocraft's configuration language, and build it, untrained.

The melody is prepended, as in MusicGen's melody models (Copet et al. 2023); the text is cross-attended, as in the
others. Prepended text would move the music's positions by its length, and a small model then has to learn anew, for
every prompt length, which chroma frame belongs to which moment. So the music always begins at position 235.

`max_period` makes 6.4, the number of codec frames in a chroma frame, exactly `CHROMA_SHIFT` steps of the sinusoids'
frequencies: what turns with the music's time has a partner that turns with the melody's (start.py).
"""

from pathlib import Path

from training.data.chroma import FRAMES_PER_CHROMA
from worker.engine.imports.audiocraft import LMModel
from worker.engine.imports.omegaconf import DictConfig, OmegaConf
from worker.engine.model.loading import build_lm

TEXT_ENCODER = "text_encoder"
CHROMA_SHIFT = 18

LM_YAML = """
lm_model: transformer_lm
device: cpu
dtype: float32
sample_rate: 32000
channels: 1
compression_model_n_q: null
interleave_stereo_codebooks: {use: false, per_timestep: false}
dataset: {segment_duration: 30}
transformer_lm:
  n_q: 4
  card: 512
  dim: 192
  num_heads: 4
  num_layers: 4
  hidden_scale: 4
  causal: true
  custom: false
  memory_efficient: true
  attention_as_float32: false
  norm: layer_norm
  norm_first: true
  activation: gelu
  dropout: 0.0
  emb_lr: null
  bias_proj: false
  bias_attn: false
  bias_ff: false
  weight_init: gaussian
  depthwise_init: current
  zero_bias_init: true
  layer_scale: null
  positional_embedding: sin
  max_period: 10000
  xpos: false
  checkpointing: none
  cross_attention: true
  two_step_cfg: false
codebooks_pattern:
  modeling: delay
  delay: {delays: [0, 1, 2, 3], flatten_first: 0, empty_initial: 0}
classifier_free_guidance: {training_dropout: 0.1, inference_coef: 3.0}
attribute_dropout:
  args: {active_on_eval: false}
  text: {}
  wav: {self_wav: 0.5}
fuser:
  cross_attention_pos_emb: false
  cross_attention_pos_emb_scale: 1
  sum: []
  prepend: [self_wav]
  cross: [description]
  input_interpolate: []
conditioners:
  self_wav:
    model: chroma_stem
    chroma_stem:
      sample_rate: 32000
      n_chroma: 12
      radix2_exp: 14
      argmax: true
      match_len_on_eval: true
      separate: false
  description:
    model: t5
    t5: {name: text_encoder, finetune: true, normalize_text: false, word_dropout: 0.0}
"""


def lm_config(dim: int = 192, layers: int = 4, heads: int = 4) -> DictConfig:
    """Return the configuration; profiles differ in size only."""
    cfg = OmegaConf.create(LM_YAML)
    assert isinstance(cfg, DictConfig)
    shape = cfg.transformer_lm
    shape.dim, shape.num_layers, shape.num_heads = dim, layers, heads
    shape.max_period = FRAMES_PER_CHROMA ** ((dim // 2 - 1) / CHROMA_SHIFT)
    return cfg


def build(cfg: DictConfig, folder: Path) -> LMModel:
    """Build an untrained model; `folder` holds text_encoder/."""
    if not (folder / TEXT_ENCODER).is_dir():
        raise FileNotFoundError(f"{folder / TEXT_ENCODER}: write it with training.lm.vocabulary first")
    return build_lm(cfg, folder)
