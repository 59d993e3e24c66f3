"""Generate from a training state, and score its codes: does it keep time, key and drums, and follow melodies?

Minutes instead of the evaluation's hour: no sound is made. Run it beside the training.
"""

import argparse
import random
from pathlib import Path

import numpy as np
import torch

from training.data.caption import Caption, caption
from training.data.chroma import extract_chroma
from training.data.composer import HELD_OUT_SEED, Spec, compose, draw_spec
from training.data.singer import draw_voice, render_melody
from training.data.theory import bpm_of
from training.lm.config import build, lm_config
from training.measure.rhythm import tempo_matches
from training.measure.symbolic import agreement, read_codes
from worker.engine.imports.audiocraft import ConditioningAttributes, LMModel, WavCondition

GUIDANCE = 3.0
SILENCE = (torch.zeros(1, 1, 1), torch.tensor([0]))


def load_state(path: Path, encoder: Path) -> LMModel:
    """Load the language model of a training state."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    lm = build(lm_config(state["dim"], state["layers"], state["heads"]), encoder)
    lm.load_state_dict(state["lm"])
    return lm.eval()


def attributes(text: str, melody: np.ndarray | None) -> ConditioningAttributes:
    """Build conditions as MusicGen does."""
    wave, length = SILENCE
    if melody is not None:
        wave, length = torch.from_numpy(melody)[None, None], torch.tensor([len(melody)])
    condition = WavCondition(wave, length, [32000], [None], [None])
    return ConditioningAttributes(text={"description": text}, wav={"self_wav": condition})


@torch.no_grad()
def generate(lm: LMModel, text: str, melody: np.ndarray | None, frames: int) -> np.ndarray:
    """Generate the codes of one clip. -> [4, frames]"""
    conditions = [attributes(text, melody)]
    codes = lm.generate(
        None,
        conditions,
        max_gen_len=frames,
        use_sampling=True,
        top_k=250,
        cfg_coef=GUIDANCE,
    )
    return np.asarray(codes[0].numpy())


def requests(count: int, first: int) -> list[tuple[Spec, Caption]]:
    """Draw held-out compositions with captions that name much."""
    specs = [draw_spec(HELD_OUT_SEED + first + k) for k in range(count)]
    return [(spec, caption(spec, random.Random(f"probe-{spec.seed}"), keep=1.0)) for spec in specs]


def probe_text(lm: LMModel, count: int, frames: int) -> dict[str, float]:
    """Return the hit rates of the properties that captions name."""
    hits: dict[str, list[float]] = {name: [] for name in ("tempo", "key", "drums", "register", "lead", "steady")}
    for spec, words in requests(count, 50_000):
        written = read_codes(generate(lm, words.text, None, frames))
        hits["steady"].append(1.0 - written.faults)
        asked = {
            "tempo": tempo_matches(written.bpm, words.bpm or bpm_of(spec.beat_frames)),
            "key": written.scale == spec.scale,
            "drums": written.drums == spec.drums,
            "register": (written.pitch > 72) == spec.high,
            "lead": written.instrument == spec.lead,
        }
        for name, hit in asked.items():
            if name in words.named and (name != "tempo" or words.bpm):
                hits[name].append(float(hit))
        if frames == 400:
            print(f"{words.text!r}: {written}", flush=True)
    return {name: float(np.mean(values)) for name, values in hits.items() if values}


def probe_melody(lm: LMModel, count: int, frames: int) -> dict[str, float]:
    """Return the agreement with the own melody, and with another's."""
    own, other, melodies, generated = [], [], [], []
    for spec, words in requests(count, 60_000):
        wave = render_melody(compose(spec).melody, draw_voice(random.Random(spec.seed)), 400, spec.seed)
        melodies.append(extract_chroma(wave))
        generated.append(generate(lm, words.text, wave, frames))
    for index, codes in enumerate(generated):
        own.append(agreement(codes, melodies[index]))
        other.append(agreement(codes, melodies[index - 1]))
    return {"melody": float(np.mean(own)), "another": float(np.mean(other))}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("encoder", type=Path)
    for name, default in (("captions", 16), ("melodies", 6), ("frames", 400), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    lm = load_state(args.state, args.encoder)
    figures = probe_text(lm, args.captions, args.frames) | probe_melody(lm, args.melodies, args.frames)
    print("probe: " + " ".join(f"{name} {value:.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
