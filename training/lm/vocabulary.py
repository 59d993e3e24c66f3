"""Train the text encoder's vocabulary: a SentencePiece unigram model of the captions, in the form that T5 reads.

Writes `text_encoder/`: config.json, tokenizer.json, tokenizer_config.json. `tokenizers.Tokenizer.from_file` and
`T5Tokenizer.from_pretrained` give the same ids.
"""

import argparse
import io
import random
from pathlib import Path

import sentencepiece as spm
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import Unigram
from tokenizers.processors import TemplateProcessing
from transformers import T5Config, T5Tokenizer

from training.data.caption import caption
from training.data.composer import draw_spec

PAD, EOS, UNK = 0, 1, 2
# What a user may well type and no caption says; the pieces exist, their meaning stays untrained.
EXTRA = (
    "the quick brown fox jumps over a lazy dog",
    "THE QUICK BROWN FOX JUMPS OVER A LAZY DOG",
    "0 1 2 3 4 5 6 7 8 9",
    "C# F# Eb Ab . : # . : ! ? ; ( ) & / ' \"",
)


def train_unigrams(captions: int, size: int, seed: int) -> list[tuple[str, float]]:
    """Train the unigrams and their log probabilities, special ones first."""
    rng = random.Random(f"vocabulary-{seed}")
    lines = [caption(draw_spec(rng.randrange(900_000)), rng).text for _ in range(captions)] + list(EXTRA) * 3
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=size,
        model_type="unigram",
        split_digits=True,
        character_coverage=1.0,
        pad_id=PAD,
        eos_id=EOS,
        unk_id=UNK,
        bos_id=-1,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    processor = spm.SentencePieceProcessor(model_proto=model.getvalue())
    return [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.vocab_size())]


def build_tokenizer(unigrams: list[tuple[str, float]]) -> Tokenizer:
    """Build the same segmentation in the tokenizers library, cut as T5Tokenizer cuts: no folding of case."""
    tokenizer = Tokenizer(Unigram(unigrams, unk_id=UNK, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always", split=True)]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return tokenizer


def write_text_encoder(
    folder: Path, size: int = 512, width: int = 128, layers: int = 2, captions: int = 20_000, seed: int = 1
) -> None:
    """Write everything of the text encoder but its weights, which live in the language model's state dict."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(train_unigrams(captions, size, seed))
    wrapped = T5Tokenizer(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_ids=0,
    )
    wrapped.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = T5Config(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=width,
        d_kv=width // 4,
        d_ff=width * 2,
        num_layers=layers,
        num_heads=4,
        dropout_rate=0.05,
        feed_forward_proj="gated-gelu",
        pad_token_id=PAD,
        eos_token_id=EOS,
    )
    config.update({"decoder_start_token_id": PAD})
    config.save_pretrained(folder)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where text_encoder/ is written, unless it is there")
    args = parser.parse_args(argv)
    if not (args.folder / "text_encoder" / "config.json").exists():
        write_text_encoder(args.folder / "text_encoder")


if __name__ == "__main__":
    main()
