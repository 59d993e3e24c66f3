"""Runner: prefill of one song, and one decode step for all running songs. Owns rows, caches and row classes.

Rows of a step are all conditional halves, then all null halves. With `exact`, every step has the same number of rows
(filled up with zeros): matrix kernels differ with the number of rows, and a row's result does not depend on which row
it is or on what the others hold. Prefill runs a song alone, attention runs a song alone; so a song's codes do not
depend on its neighbours at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention

from worker.engine.cache import CrossCache, SongCache
from worker.engine.conditions import Conditions
from worker.engine.decoder import Decoder
from worker.engine.sampler import SamplingParameters, sample, seed_halves
from worker.engine.sequence import Sequence


@dataclass(frozen=True)
class Batch:
    """What stays the same from step to step while nobody joins or leaves."""

    sequences: tuple[Sequence, ...]
    row_of: torch.Tensor  # [rows] which sequence a row belongs to
    slices: tuple[slice, ...]  # each sequence's rows, conditional half first
    conditional: int  # how many rows are conditional
    parameters: SamplingParameters
    guidance: torch.Tensor  # [songs, 1, 1]
    cond_row: torch.Tensor  # [songs] row of the conditional half, or of the only one
    null_row: torch.Tensor  # [songs] row of the null half, or of the only one

    @classmethod
    def of(cls, sequences: list[Sequence]) -> Batch:
        conditional = [i for i, s in enumerate(sequences) if s.has_conditional_half]
        null = [i for i, s in enumerate(sequences) if s.halves == 2 or not s.has_conditional_half]
        rows = [*((i, "cond") for i in conditional), *((i, "null") for i in null)]
        place = {key: row for row, key in enumerate(rows)}
        firsts = [place.get((i, "cond"), place.get((i, "null"), 0)) for i in range(len(sequences))]
        lasts = [place.get((i, "null"), place.get((i, "cond"), 0)) for i in range(len(sequences))]
        pieces = [s.piece for s in sequences]
        return cls(
            sequences=tuple(sequences),
            row_of=torch.tensor([i for i, _ in rows]),
            slices=tuple(slice(a, b + 1, max(1, b - a)) for a, b in zip(firsts, lasts, strict=True)),
            conditional=len(conditional),
            parameters=SamplingParameters(
                torch.tensor([p.temperature for p in pieces], dtype=torch.float32),
                torch.tensor([p.top_k for p in pieces]),
                torch.tensor([p.top_p for p in pieces], dtype=torch.float32),
                torch.tensor([seed_halves(p.seed) for p in pieces], dtype=torch.int32),
                widest_top_k=max(p.top_k for p in pieces),
                any_top_p=any(p.top_p > 0 for p in pieces),
            ),
            guidance=torch.tensor([p.guidance_scale for p in pieces], dtype=torch.float32)[:, None, None],
            cond_row=torch.tensor(firsts),
            null_row=torch.tensor(lasts),
        )


class Runner:
    """One model. Called by the decode thread alone."""

    def __init__(self, decoder: Decoder, exact_rows: int | None = None) -> None:
        self.decoder = decoder
        self._exact_rows = exact_rows
        self._batch: Batch | None = None

    def prefill(self, sequence: Sequence) -> None:
        """Begin a sequence's next window: its cache, filled with the prefix and all given steps but the last."""
        conditions = sequence.next_window()
        prefix = self._halves(sequence, conditions.prefix).to(self.decoder.dtype)  # [halves, prefix, dim]
        sequence.prefix_length = prefix.shape[1]
        sequence.cross = self._cross(conditions) if sequence.has_conditional_half else None
        positions = prefix.shape[1] + sequence.window_steps
        decoder = self.decoder
        sequence.cache = SongCache(
            len(decoder.layers), len(prefix), decoder.heads, positions, decoder.head_dim, decoder.dtype, "cpu"
        )
        known = sequence.tokens[:, : sequence.step].T  # [steps, codebooks]
        if len(known) or prefix.shape[1]:
            self._fill(sequence, prefix, known)

    def _fill(self, sequence: Sequence, prefix: torch.Tensor, known: torch.Tensor) -> None:
        decoder, cache = self.decoder, sequence.cache
        assert cache is not None
        halves, length = len(prefix), prefix.shape[1] + len(known)
        codes = decoder.embed(known).expand(halves, -1, -1)
        x = torch.cat([prefix, codes], dim=1) + decoder.positions(torch.arange(length))
        x = x.reshape(halves * length, decoder.dim)

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            split = qkv.view(halves, length, 3, decoder.heads, decoder.head_dim).permute(2, 0, 3, 1, 4)
            cache.fill(layer, split[1], split[2])
            out = scaled_dot_product_attention(split[0], split[1], split[2], is_causal=True)
            return out.transpose(1, 2).reshape(halves * length, decoder.dim)

        def look(layer: int, queries: torch.Tensor) -> torch.Tensor:
            assert sequence.cross is not None
            return sequence.cross.attend(layer, queries).reshape(length, decoder.dim)

        decoder.layers_forward(x, attend, look, length if sequence.cross is not None else 0)
        cache.filled = length

    def step(self, sequences: list[Sequence]) -> torch.Tensor:
        """One decode step for all: each sequence's next tokens are written, its step advanced.

        Returns which sequences' logits were finite. [songs] bool
        """
        batch = self._batch_of(sequences)
        logits = self._forward(batch)  # [rows, codebooks, card]
        cond, null = logits[batch.cond_row], logits[batch.null_row]
        guided = null + (cond - null) * batch.guidance  # [songs, codebooks, card]
        noise_steps = torch.tensor([s.decoded for s in sequences])
        tokens = sample(guided, noise_steps, batch.parameters)
        for sequence, new in zip(sequences, tokens, strict=True):
            place = sequence.tokens[:, sequence.step + 1]
            torch.where(place < 0, new, place, out=place)
            sequence.step += 1
            sequence.decoded += 1
        return guided.isfinite().flatten(1).all(dim=1)

    def _forward(self, batch: Batch) -> torch.Tensor:
        decoder, sequences = self.decoder, batch.sequences
        tokens = torch.stack([s.tokens[:, s.step] for s in sequences])  # [songs, codebooks]
        places = torch.tensor([s.prefix_length + s.step for s in sequences])
        x = (decoder.embed(tokens) + decoder.positions(places))[batch.row_of]  # [rows, dim]
        rows = len(x)
        x = self._padded(x)

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            out = torch.zeros(len(x), decoder.heads, decoder.head_dim, dtype=x.dtype)
            for sequence, own in zip(sequences, batch.slices, strict=True):
                assert sequence.cache is not None
                sequence.cache.append(layer, qkv[own, 1:])
                out[own] = sequence.cache.attend(layer, qkv[own, 0])
            return out.view(len(x), decoder.dim)

        def look(layer: int, queries: torch.Tensor) -> torch.Tensor:
            out = torch.zeros_like(queries)
            for sequence, own in zip(sequences, batch.slices, strict=True):
                if sequence.cross is not None:
                    row = slice(own.start, own.start + 1)
                    out[row] = sequence.cross.attend(layer, queries[row])
            return out.view(len(queries), decoder.dim)

        # exact: the text is looked at by a fixed number of rows too; null and padding rows look at nothing
        looking = len(x) if self._exact_rows else batch.conditional
        crosses = any(s.cross is not None for s in sequences)
        x = decoder.layers_forward(x, attend, look, looking if crosses else 0)
        for sequence in sequences:
            assert sequence.cache is not None
            sequence.cache.filled += 1
        return decoder.logits(x)[:rows]

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        missing = (self._exact_rows or 0) - len(x)
        return x if missing <= 0 else torch.cat([x, x.new_zeros(missing, x.shape[1])])

    def _batch_of(self, sequences: list[Sequence]) -> Batch:
        if self._batch is None or self._batch.sequences != tuple(sequences):
            self._batch = Batch.of(sequences)
        return self._batch

    def _cross(self, conditions: Conditions) -> CrossCache | None:
        if conditions.cross is None:
            return None
        return CrossCache(*self.decoder.cross_keys_values(conditions.cross))

    @staticmethod
    def _halves(sequence: Sequence, prefix: torch.Tensor) -> torch.Tensor:
        """The halves that this piece needs, of (conditional, null)."""
        if sequence.halves == 1 and len(prefix) == 2:
            return prefix[:1]
        return prefix
