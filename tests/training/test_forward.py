"""Training sees what inference sees: the same arithmetic, the same nulls, the same words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import T5Tokenizer

from training.data.chroma import CHROMA_FRAMES, FRAMES_PER_CHROMA, NULL_CLASS
from training.lm.batches import BatchSource
from training.lm.config import build, lm_config
from training.lm.forward import add_positions, delayed, embed_melody, embed_music, embed_text, logits_of
from training.lm.loss import delay_batch
from training.lm.start import align_heads
from worker.engine.imports.audiocraft import LMModel, WavCondition

TINY = Path("models/tiny")


@pytest.fixture(scope="module")
def lm() -> LMModel:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = build(lm_config(dim=96, layers=2, heads=4), TINY).eval()
    align_heads(model)
    return model


def test_the_training_pass_gives_the_logits_of_audiocraft(lm: LMModel) -> None:
    codes = torch.randint(512, (2, 4, 20))
    inputs, _ = delayed(codes, lm.special_token_id)
    text, visible = embed_text(lm, ["slow piano, no drums", "slow piano, no drums"])
    melody = embed_melody(lm, torch.randint(12, (2, CHROMA_FRAMES)))
    with torch.no_grad():
        ours = torch.stack(logits_of(lm, inputs, melody, (text, visible)), dim=1)
        conditions = {"self_wav": (melody, torch.ones(melody.shape[:2])), "description": (text, visible)}
        theirs = lm(inputs, [], conditions)
    assert torch.allclose(ours, theirs, atol=2e-4)


def test_aligned_heads_look_at_the_chroma_frame_of_their_own_moment() -> None:
    torch.manual_seed(0)
    model = build(lm_config(dim=160, layers=1, heads=4), TINY)
    align_heads(model)
    batch = BatchSource(1).segments(1)
    inputs, _ = delayed(batch.codes, model.special_token_id)
    music_positions = torch.arange(inputs.shape[-1])[None] + CHROMA_FRAMES
    with torch.no_grad():
        prefix = add_positions(model, embed_melody(model, batch.melody), torch.arange(CHROMA_FRAMES)[None])
        music = add_positions(model, embed_music(model, inputs), music_positions)
        seen = model.transformer.layers[0].norm1(torch.cat([prefix, music], 1))[0]
    weight = model.transformer.layers[0].self_attn.in_proj_weight
    queries, keys = seen[CHROMA_FRAMES:] @ weight[:40].T, seen @ weight[160:200].T  # the first of 4 heads, width 40
    known = 1450  # at the very end the music's first positions come near to where the melody's would go on
    looked_at = (queries @ keys.T)[:known].argmax(dim=1).float()
    moment = torch.arange(known) / FRAMES_PER_CHROMA
    assert float((looked_at - moment).abs().max()) < 1.5


def test_a_crop_from_the_middle_asks_what_the_whole_would_ask(lm: LMModel) -> None:
    source = BatchSource(2)
    example = source.example()
    whole = delay_batch(source.batch([example], [0], 1500, local=False), lm.special_token_id)
    crop = delay_batch(source.batch([example], [200], 96, local=True), lm.special_token_id)
    asked = crop.weights > 0
    assert torch.equal(crop.targets[asked], whole.targets[..., 200:296][asked])


def test_the_delay_pattern_is_that_of_audiocraft(lm: LMModel) -> None:
    codes = torch.randint(512, (1, 4, 20))
    inputs, targets = delayed(codes, lm.special_token_id)
    pattern = lm.pattern_provider.get_pattern(20)
    sequence, _, _ = pattern.build_pattern_sequence(codes, lm.special_token_id)
    assert torch.equal(inputs, sequence[..., :-1])
    assert torch.equal(targets.where(targets >= 0, torch.tensor(lm.special_token_id)), sequence[..., 1:])


def test_the_null_melody_of_training_is_the_one_that_text_alone_gets(lm: LMModel) -> None:
    conditioner = lm.condition_provider.conditioners["self_wav"]
    silence = WavCondition(torch.zeros(1, 1, 1), torch.tensor([0]), [32000], [None], [None])
    with torch.no_grad():
        theirs, _ = conditioner(conditioner.tokenize(silence))
        ours = embed_melody(lm, torch.full((1, CHROMA_FRAMES), NULL_CLASS))
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_an_empty_text_is_embedded_as_zeros(lm: LMModel) -> None:
    text, visible = embed_text(lm, ["", "fast organ"])
    assert bool((text[0] == 0).all())
    assert bool(visible[0].all())


@pytest.mark.parametrize(
    "text", ["slow sad piano in A minor, 120 bpm", "", "Déjà vu, no drums!", "A\nlute. F# major; 97BPM"]
)
def test_the_vocabulary_gives_the_same_ids_to_both_of_its_readers(text: str) -> None:
    folder = TINY / "text_encoder"
    plain = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    assert T5Tokenizer.from_pretrained(folder)(text)["input_ids"] == plain
