"""SongRunner: pages of its own for each song, and one decode step for all of them. Owns rows and row classes.

Rows of a step are all conditional halves, then all null halves. With `exact`, every step has the same number of rows
(filled up with zeros): matrix kernels differ with the number of rows, and a row's result does not depend on which row
it is or on what the others hold. Prefill runs a song alone, attention keeps rows apart (paged_kv_cache.py); so a song's
codes do not depend on its neighbours at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from worker.engine.model import gemv_kernels
from worker.engine.model.conditioning import Conditions
from worker.engine.model.decoder import Decoder
from worker.engine.model.linear import FEW_ROWS, Precision
from worker.engine.model.memory import Capacity
from worker.engine.model.sampler import SamplingParameters, sample, seed_halves
from worker.engine.runners.base import Outcome, Progress
from worker.engine.runners.cross_kv import CrossKv
from worker.engine.runners.paged_kv_cache import PAGE, Int8KvCache, PagedKvCache, Table, pages_for
from worker.engine.runners.prefill import prefill
from worker.engine.runners.sequence import Sequence


@dataclass(frozen=True)
class KvAllocation:
    """Where a song's window is kept."""

    halves: tuple[list[int], ...]  # pages of each half
    text: list[int]  # pages of what the conditional half looks at
    source: int  # positions of it

    @property
    def pages(self) -> list[int]:
        return [*(page for half in self.halves for page in half), *self.text]


@dataclass(frozen=True)
class Batch:
    """What stays the same from step to step while nobody joins or leaves."""

    sequences: tuple[Sequence, ...]
    row_of: torch.Tensor  # [rows] which sequence a row belongs to
    rows: tuple[tuple[int, int], ...]  # sequence and half of each row
    conditional: int  # how many rows are conditional
    parameters: SamplingParameters
    guidance: torch.Tensor  # [songs, 1, 1]
    cond_row: torch.Tensor  # [songs] row of the conditional half, or of the only one
    null_row: torch.Tensor  # [songs] row of the null half, or of the only one

    @classmethod
    def of(cls, sequences: tuple[Sequence, ...]) -> Batch:
        conditional = [i for i, s in enumerate(sequences) if s.has_conditional_half]
        null = [i for i, s in enumerate(sequences) if s.halves == 2 or not s.has_conditional_half]
        rows = [*((i, "cond") for i in conditional), *((i, "null") for i in null)]
        place = {key: row for row, key in enumerate(rows)}
        firsts = [place.get((i, "cond"), place.get((i, "null"), 0)) for i in range(len(sequences))]
        lasts = [place.get((i, "null"), place.get((i, "cond"), 0)) for i in range(len(sequences))]
        pieces = [s.piece for s in sequences]
        return cls(
            sequences=sequences,
            row_of=torch.tensor([i for i, _ in rows]),
            rows=tuple((i, int(half == "null" and sequences[i].halves == 2)) for i, half in rows),
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


class CpuRunner:
    """One model. Every outcome is back when `step` returns."""

    def __init__(self, decoder: Decoder, room: Capacity, slots: int, exact: bool = False) -> None:
        self.decoder = decoder
        self.slots = slots
        kind = Int8KvCache if decoder.precision == "int8" else PagedKvCache
        pages = 2 * pages_for(room.positions) + pages_for(room.text)
        shape = len(decoder.layers), decoder.heads, decoder.head_dim
        self._pages = kind(*shape, slots * pages)
        self.bytes_per_slot = pages * kind.bytes_for(*shape)  # at most: a song takes as many pages as it fills
        self._exact_rows = 2 * slots if exact else 0
        self._few_rows = FEW_ROWS.get(decoder.precision, 0)
        self._threads = torch.get_num_threads()
        self._batch: Batch | None = None
        self._held: dict[Sequence, KvAllocation] = {}
        self._table: tuple[list[int], Table] | None = None  # for so many pages a row
        self._text: tuple[torch.Tensor, Table, torch.Tensor] | None = None  # rows that look, what at, the mask

    @property
    def kv_precision(self) -> Precision:
        return self._pages.kv_precision

    @property
    def held(self) -> int:
        return len(self._held)

    @contextmanager
    def context(self) -> Iterator[None]:
        gemv_kernels.use_threads(self._threads)
        yield

    def warm_up(self, progress: Progress) -> None:
        """Nothing is compiled or captured here."""

    def release(self, sequence: Sequence) -> None:
        if held := self._held.pop(sequence, None):
            self._pages.give_back(held.pages)
        self._batch = None

    def prefill(self, sequence: Sequence, conditions: Conditions) -> None:
        """The window's pages, filled with the prefix and all given steps but the last."""
        self.release(sequence)  # the last window's pages go before the next one's come
        self._share_out(self._threads)
        decoder = self.decoder
        prefix = halves_of(sequence, conditions.prefix).to(decoder.dtype)  # [halves, prefix, dim]
        source = conditions.cross if sequence.has_conditional_half else None
        held = self._take(len(prefix), prefix.shape[1] + sequence.window_steps, 0 if source is None else len(source))
        try:
            cross = None if source is None else self._keep_text(held, source)
            known = sequence.tokens[:, : sequence.step].T

            def store(layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
                self._put_all(layer, held.halves, torch.stack([keys, values], dim=2))

            prefill(decoder, prefix, known, cross, store)
        except BaseException:
            self._pages.give_back(held.pages)
            raise
        sequence.prefix_length = prefix.shape[1]
        self._held[sequence] = held

    def step(self, sequences: Iterable[Sequence]) -> list[Outcome]:
        batch = self._batch_of(tuple(sequences))
        logits = self._forward(batch)  # [rows, codebooks, card]
        cond, null = logits[batch.cond_row], logits[batch.null_row]
        guided = null + (cond - null) * batch.guidance  # [songs, codebooks, card]
        noise_steps = torch.tensor([s.decoded for s in batch.sequences])
        tokens = sample(guided, noise_steps, batch.parameters)
        finite = guided.isfinite().flatten(1).all(dim=1).tolist()  # [songs]
        for sequence, new in zip(batch.sequences, tokens, strict=True):
            place = sequence.tokens[:, sequence.step + 1]
            torch.where(place < 0, new, place, out=place)
            sequence.step += 1
            sequence.decoded += 1
        return list(zip(batch.sequences, finite, strict=True))

    def _forward(self, batch: Batch) -> torch.Tensor:
        decoder, sequences = self.decoder, batch.sequences
        tokens = torch.stack([s.tokens[:, s.step] for s in sequences])  # [songs, codebooks]
        places = torch.tensor([s.prefix_length + s.step for s in sequences])
        x = (decoder.embed(tokens) + decoder.positions(places))[batch.row_of]  # [rows, dim]
        rows = len(x)
        x = self._padded(x)
        self._share_out(1 if len(x) <= self._few_rows else self._threads)
        own = places[batch.row_of]  # [rows]
        table = self._table_of(batch, own)
        mask = table.mask(own + 1, decoder.heads)
        offsets = own % PAGE

        def attend(layer: int, qkv: torch.Tensor) -> torch.Tensor:
            self._pages.put(layer, table.newest, offsets, qkv[:rows, 1:])
            return self._spread(self._pages.attend(layer, qkv[:rows, 0], table, mask), len(x))

        def look(layer: int, queries: torch.Tensor) -> torch.Tensor:
            assert self._text is not None
            looking, text, text_mask = self._text
            if len(looking) == len(queries):
                return self._pages.attend(layer, queries, text, text_mask).view(len(queries), decoder.dim)
            seen = self._pages.attend(layer, queries[looking], text, text_mask)
            return queries.new_zeros(queries.shape).index_copy_(0, looking, seen).view(len(queries), decoder.dim)

        # exact: the text is looked at by a fixed number of rows too; null and padding rows look at nothing
        looking = len(x) if self._exact_rows else batch.conditional
        x = decoder.layers_forward(x, attend, look, slice(0, looking) if self._text is not None else None)
        return decoder.logits(x)[:rows]

    @staticmethod
    def _share_out(threads: int) -> None:
        """What a few rows need beside their products is done sooner than shared out; those have their own threads."""
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    def _spread(self, out: torch.Tensor, rows: int) -> torch.Tensor:
        """[songs' rows, heads, head_dim] -> [rows, dim], zeros where no song is."""
        flat = out.view(len(out), self.decoder.dim)
        return flat if rows == len(flat) else torch.cat([flat, flat.new_zeros(rows - len(flat), flat.shape[1])])

    def _take(self, halves: int, positions: int, source: int) -> KvAllocation:
        each, text = pages_for(positions), pages_for(source)
        pages = self._pages.take(halves * each + text)
        own = tuple(pages[half * each : (half + 1) * each] for half in range(halves))
        return KvAllocation(own, pages[halves * each :], source)

    def _keep_text(self, held: KvAllocation, source: torch.Tensor) -> CrossKv:
        """The text's keys and values, into its pages, and as they are for the prefill."""
        keys, values = self.decoder.cross_keys_values(source)  # [layers, 1, heads, source, head_dim] each
        for layer in range(len(keys)):
            self._put_all(layer, (held.text,), torch.stack([keys[layer], values[layer]], dim=2))
        return CrossKv(keys, values)

    def _put_all(self, layer: int, halves: tuple[list[int], ...], kv: torch.Tensor) -> None:
        """Positions from the first on. kv [halves, heads, 2, positions, head_dim]"""
        positions = torch.arange(kv.shape[3])
        pages = torch.cat([torch.tensor(own)[positions // PAGE] for own in halves])
        rows = kv.permute(0, 3, 2, 1, 4).flatten(0, 1)  # [halves * positions, 2, heads, head_dim]
        self._pages.put(layer, pages, (positions % PAGE).repeat(len(halves)), rows)

    def _table_of(self, batch: Batch, places: torch.Tensor) -> Table:
        """The rows' table, made anew when a row begins another page."""
        counts = [place // PAGE + 1 for place in places.tolist()]
        if self._table is None or self._table[0] != counts:
            pages = [self._held[batch.sequences[song]].halves[half] for song, half in batch.rows]
            used = [own[:count] for own, count in zip(pages, counts, strict=True)]
            self._table = counts, Table.of(used, self.decoder.heads, self.decoder.head_dim)
        return self._table[1]

    def _text_of(self, batch: Batch) -> tuple[torch.Tensor, Table, torch.Tensor] | None:
        """Conditional rows come first, one a song, in the songs' order."""
        looking = [
            (row, self._held[batch.sequences[song]]) for row, (song, _) in enumerate(batch.rows[: batch.conditional])
        ]
        looking = [(row, held) for row, held in looking if held.text]
        if not looking:
            return None
        table = Table.of([held.text for _, held in looking], self.decoder.heads, self.decoder.head_dim)
        lengths = torch.tensor([held.source for _, held in looking])
        return torch.tensor([row for row, _ in looking]), table, table.mask(lengths, self.decoder.heads)

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        missing = self._exact_rows - len(x)
        return x if missing <= 0 else torch.cat([x, x.new_zeros(missing, x.shape[1])])

    def _batch_of(self, sequences: tuple[Sequence, ...]) -> Batch:
        if self._batch is None or self._batch.sequences != sequences:
            self._batch = Batch.of(sequences)
            self._table = None
            self._text = self._text_of(self._batch)
        return self._batch


def halves_of(sequence: Sequence, prefix: torch.Tensor) -> torch.Tensor:
    """The halves that this piece needs, of (conditional, null)."""
    if sequence.halves == 1 and len(prefix) == 2:
        return prefix[:1]
    return prefix
