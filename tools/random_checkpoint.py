"""Write small random MusicGens in audiocraft's exported format, one per published shape. Knows nothing of training.

    python -m tools.random_checkpoint --shape text|melody|stereo|tiny OUT [--seed N]

    text    cross-attention to a T5                      musicgen-small, -medium, -large
    melody  chroma (demucs first) and text prepended     musicgen-melody, -melody-large
    stereo  as text, two interleaved sets of codebooks   musicgen-stereo-*
    tiny    chroma without demucs and text prepended     models/tiny

They sing noise, but loudly enough to hear, never clipping, and different noise for different codes: so a test can
tell two seeds, two prompts and two melodies apart. A megabyte or two each, and many times faster than real time.
"""

from __future__ import annotations

import argparse
import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import sentencepiece as spm
import torch
import yaml
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from transformers import T5Config, T5Tokenizer

from worker.engine.imports.audiocraft import AUDIOCRAFT_VERSION, CompressionModel, builders
from worker.engine.imports.demucs import HTDemucs
from worker.engine.imports.omegaconf import OmegaConf
from worker.engine.model.hub import CODEC_FILE, LM_FILE
from worker.engine.model.loading import build_lm

SHAPES = ("text", "melody", "stereo", "tiny", "wide")  # wide: two layers of MusicGen-small's width
SAMPLE_RATE_HZ = 32_000
CODEBOOK_SIZE = 256
LOUDNESS_RMS = 0.08  # about -22 dBFS; peaks stay under 0.7
TEXT_ENCODER_FOLDER = "text_encoder"
DEMUCS_FILE = "955717e8-8726e21a.th"  # where demucs looks for htdemucs in torch's hub cache

TRANSFORMER = """{
dim: 64, num_heads: 4, num_layers: 2, hidden_scale: 4, activation: gelu, norm: layer_norm, norm_first: true,
bias_ff: false, bias_attn: false, bias_proj: false, causal: true, past_context: null, positional_embedding: sin,
xpos: false, cross_attention: false, attention_as_float32: false, memory_efficient: true, custom: false,
qk_layer_norm: false, qk_layer_norm_cross: false, attention_dropout: null, kv_repeat: 1, layer_scale: null,
dropout: 0.0, emb_lr: null, checkpointing: none, weight_init: gaussian, depthwise_init: current,
zero_bias_init: true, two_step_cfg: false}"""

CODEC = """{
device: cpu, channels: 1, sample_rate: 32000, compression_model: encodec,
encodec: {autoencoder: seanet, quantizer: rvq, sample_rate: 32000, channels: 1, causal: false, renormalize: false},
seanet: {dimension: 32, channels: 1, causal: false, n_filters: 4, n_residual_layers: 1, ratios: [8, 5, 4, 4],
  activation: ELU, activation_params: {alpha: 1.0}, norm: weight_norm, norm_params: {}, kernel_size: 7,
  residual_kernel_size: 3, last_kernel_size: 7, dilation_base: 2, pad_mode: constant, true_skip: true, compress: 2,
  lstm: 2, disable_norm_outer_blocks: 0, encoder: {},
  decoder: {trim_right_ratio: 1.0, final_activation: null, final_activation_params: null}},
rvq: {n_q: 4, q_dropout: false, decay: 0.99, kmeans_init: true}}"""

CAPTIONS = """
a slow sad piano ballad in a minor key at 60 bpm
an upbeat electronic dance track with a driving kick drum, bright synths and a deep bass line at 128 bpm
calm ambient pads with soft strings, warm and dreamy, no drums
a fast heavy rock song with distorted guitars, loud drums and an angry bass at 174 bpm
cheerful acoustic folk: guitar, violin and flute, 95 bpm, 3/4 time
a lofi hip hop beat with a mellow electric piano, vinyl noise and a lazy swing
an epic orchestral film score with brass, choir, timpani and rising tension
a jazz trio: upright bass, brushed drums and a saxophone solo over a walking bass
a retro 8-bit chiptune melody for a video game, square waves, 140 bpm, c major
reggae groove with organ, off-beat guitar and dub delay; funky slap bass, clean rhythm guitar, horns
a solo cello playing a quiet melancholic theme, reverb of a large hall
latin percussion with marimba, trumpet and congas, happy, summer, dance, 1970s, 80s, 90s pop
techno, house, trance, disco, blues, country, metal, punk, soul, gospel, waltz, march, lullaby
high quality stereo recording, melody, harmony, rhythm, tempo, chords, arpeggio, bells, harp, whistle, hum
"""


def write_checkpoint(shape: str, folder: Path, seed: int = 0) -> Path:
    """Write a random checkpoint of that shape to `folder`; the same seed gives the same weights."""
    if shape not in SHAPES:
        raise ValueError(f"shape must be one of {', '.join(SHAPES)}, not {shape!r}")
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        write_text_encoder(folder / TEXT_ENCODER_FOLDER)
        config = lm_config(shape)
        lm = build_lm(OmegaConf.create(without_demucs(config)), folder)
        for name, parameter in lm.named_parameters():
            if name.startswith("linears."):
                parameter.data.mul_(3.0)  # logits so sharp that another prompt or melody changes most codes
        save_package(folder / LM_FILE, lm.state_dict(), config)
        codec_cfg = codec_config()
        save_package(folder / CODEC_FILE, random_codec(codec_cfg).state_dict(), codec_cfg)
    return folder


def save_package(path: Path, state: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    """Write audiocraft's exported package: tensors and strings only, so it loads with `weights_only=True`."""
    written = OmegaConf.to_yaml(OmegaConf.create(config))
    torch.save({"best_state": state, "xp.cfg": written, "version": AUDIOCRAFT_VERSION, "exported": True}, path)


def lm_config(shape: str) -> dict[str, Any]:
    """Return `xp.cfg` of the language model, with the keys that audiocraft's published checkpoints have."""
    stereo = shape == "stereo"
    sings_along = shape in ("melody", "tiny")
    codebooks = 8 if stereo else 4
    width = {"dim": 1024, "num_heads": 16} if shape == "wide" else {}
    delays = [k // 2 for k in range(8)] if stereo else list(range(4))
    return {
        "device": "cpu",
        "dtype": "float32",
        "channels": 2 if stereo else 1,
        "sample_rate": SAMPLE_RATE_HZ,
        "solver": "musicgen",
        "lm_model": "transformer_lm",
        "compression_model_n_q": None,
        "interleave_stereo_codebooks": {"use": stereo, "per_timestep": False},
        "dataset": {"segment_duration": 30},
        "codebooks_pattern": {
            "modeling": "delay",
            "delay": {"delays": delays, "flatten_first": 0, "empty_initial": 0},
        },
        "classifier_free_guidance": {"training_dropout": 0.2, "inference_coef": 3.0},
        "attribute_dropout": {},
        "fuser": {
            "cross_attention_pos_emb": False,
            "cross_attention_pos_emb_scale": 1,
            "sum": [],
            "prepend": ["self_wav", "description"] if sings_along else [],
            "cross": [] if sings_along else ["description"],
            "input_interpolate": [],
        },
        "conditioners": _conditioners(shape),
        "transformer_lm": {**yaml.safe_load(TRANSFORMER), **width, "n_q": codebooks, "card": CODEBOOK_SIZE},
    }


def _conditioners(shape: str) -> dict[str, Any]:
    text = {"name": TEXT_ENCODER_FOLDER, "finetune": True, "word_dropout": 0.0, "normalize_text": False}
    described: dict[str, Any] = {"description": {"model": "t5", "t5": text}}
    if shape not in ("melody", "tiny"):
        return described
    chroma: dict[str, Any] = {"sample_rate": SAMPLE_RATE_HZ, "n_chroma": 12, "radix2_exp": 14, "argmax": True}
    chroma |= {"match_len_on_eval": False, "eval_wavs": None, "n_eval_wavs": 100, "cache_path": None}
    if shape == "tiny":
        chroma["separate"] = False
    return {"self_wav": {"model": "chroma_stem", "chroma_stem": chroma}, **described}


def without_demucs(config: dict[str, Any]) -> dict[str, Any]:
    """Return the same model without source separation: demucs has no weights in a MusicGen's state dict."""
    if "self_wav" not in config["conditioners"]:
        return config
    melody = config["conditioners"]["self_wav"]
    plain = {**melody, "chroma_stem": {**melody["chroma_stem"], "separate": False}}
    return {**config, "conditioners": {**config["conditioners"], "self_wav": plain}}


def codec_config() -> dict[str, Any]:
    """Return `xp.cfg` of an EnCodec with the published ratios (32 kHz, 50 frames a second) and few filters."""
    config: dict[str, Any] = yaml.safe_load(CODEC)
    config["rvq"]["bins"] = CODEBOOK_SIZE
    return config


@torch.no_grad()
def random_codec(config: dict[str, Any]) -> CompressionModel:
    """Make an EnCodec with filled codebooks and its last layer scaled to `LOUDNESS_RMS`.

    The decoder has no biases: a random one would otherwise hum the same tone whatever the codes.
    """
    codec: Any = builders.get_compression_model(OmegaConf.create(config)).eval()
    for layer in codec.quantizer.vq.layers:
        book = layer._codebook
        book.embed.normal_()
        book.embed_avg.copy_(book.embed)
        book.cluster_size.fill_(100.0)
        book.inited.fill_(1.0)
    for name, parameter in codec.decoder.named_parameters():
        if "bias" in name:
            parameter.zero_()
    noise = codec.decode(torch.randint(CODEBOOK_SIZE, (8, 4, 100)))  # [batch, channels, samples]
    codec.decoder.model[-1].conv.conv.weight_g.mul_(LOUDNESS_RMS / float(noise.std()))
    made: CompressionModel = codec
    return made


def write_text_encoder(folder: Path) -> None:
    """Write a T5 vocabulary of our captions' words, and a small encoder's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, normalizer = train_vocabulary(CAPTIONS.strip().splitlines())
    tokenizer = T5Tokenizer(vocab=vocabulary, _spm_precompiled_charsmap=normalizer, extra_ids=0)
    tokenizer.save_pretrained(folder)
    config = T5Config(vocab_size=len(vocabulary), d_model=64, d_kv=16, num_heads=4, d_ff=128, num_layers=2)
    config.save_pretrained(folder)


def train_vocabulary(lines: list[str], size: int = 400) -> tuple[list[tuple[str, float]], bytes]:
    """Train SentencePiece on those lines in T5's order (pad, end, unknown): the tokens with scores, the normalizer."""
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        required_chars="0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,;:!?'\"()/&#+-%",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    proto = ModelProto.FromString(model.getvalue())
    vocabulary = [(token.piece, token.score) for token in proto.pieces]
    return vocabulary, proto.normalizer_spec.precompiled_charsmap


def write_demucs(torch_home: Path, seed: int = 0, sizes: dict[str, Any] | None = None) -> Path:
    """Write a random htdemucs to torch's hub cache, in demucs' own package format; a small one without `sizes`.

    With TORCH_HOME set to that folder (and HF_HUB_OFFLINE=1) demucs loads it as its own: torch.hub checks the
    hash in the name only when it downloads.
    """
    sources = ["drums", "bass", "other", "vocals"]
    kwargs: dict[str, Any] = {"channels": 4, "dconv_comp": 2, "samplerate": 44_100, "segment": Fraction(2)}
    kwargs |= {"bottom_channels": 16, "t_layers": 1, "t_heads": 2, "t_hidden_scale": 1.0}
    kwargs = kwargs if sizes is None else sizes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = HTDemucs(sources, **kwargs).state_dict()
    for name in state:
        if name.endswith("bias"):  # as in the codec: random biases would hum one note over every melody
            state[name].zero_()
    path = torch_home / "hub" / "checkpoints" / DEMUCS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"klass": HTDemucs, "args": (sources,), "kwargs": kwargs, "state": state}, path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(write_checkpoint(args.shape, args.out, args.seed))


if __name__ == "__main__":
    main()
