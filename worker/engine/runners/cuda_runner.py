"""SlotRunner: songs in the slots of a static cache, each step of a bucket of slots one graph. Owns who has which slot.

The host never waits for the step that it has just begun. It knows by counting where every song is; what came out (new
tokens, and whether the logits were numbers) follows by a copy that is looked at `AHEAD` steps later, and only then do
the sequences change. A song's slot is free as soon as its last step is begun: all that touches slots is on one stream.

The lowest free slot is taken, and songs move down when they would fit a smaller bucket: a step costs what its bucket
costs. With `exact` there is one bucket, and whole contexts: neither kernels nor sums then depend on neighbours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from shared.errors import FieldError, InvalidRequest
from worker.engine.core.streams import WorkStream, lend, send
from worker.engine.model.conditioning import Conditions
from worker.engine.model.decoder import Decoder
from worker.engine.model.linear import Precision
from worker.engine.model.memory import Capacity, slot_bytes
from worker.engine.model.precisions import NAMES
from worker.engine.model.sampler import seed_halves
from worker.engine.runners.base import Outcome, Progress
from worker.engine.runners.buckets import Buckets
from worker.engine.runners.cpu_runner import halves_of
from worker.engine.runners.cross_kv import CrossKv
from worker.engine.runners.cuda_graphs import CudaGraphs
from worker.engine.runners.cuda_step import WIDEST_TOP_K, SlotState, StepShape, run_step
from worker.engine.runners.prefill import prefill
from worker.engine.runners.sequence import Sequence
from worker.engine.runners.static_kv_cache import StaticKvCache

AHEAD = 2  # steps begun beyond the newest one that is back: hides the host's work, and bounds what a cancel waits for


@dataclass
class KvSlot:
    """Where a song is: its slot, and the steps that the device has been given."""

    slot: int
    prefix: int
    text: int
    step: int
    decoded: int
    last: int  # the window's last step: predicted from the one before it

    @property
    def going(self) -> bool:
        return self.step < self.last


@dataclass(frozen=True)
class PendingStep:
    """A step's outcome on its way to the host."""

    songs: tuple[tuple[Sequence, int, int, int], ...]  # each with its slot, and `step` and `decoded` after the step
    outcome: torch.Tensor  # [slots, codebooks + 1], on the host once `arrived`
    arrived: torch.cuda.Event | None


class CudaRunner:
    """One model on one device."""

    def __init__(self, decoder: Decoder, room: Capacity, slots: int, exact: bool = False, ahead: int = AHEAD) -> None:
        self.slots = slots
        self.bytes_per_slot = slot_bytes(decoder, room)
        self._decoder = decoder
        self._device = decoder.device
        self._room = room
        self._exact = exact
        self._buckets = Buckets(slots, room, exact)
        self._ahead = ahead
        self._work_stream = WorkStream(self._device)
        self._cache = StaticKvCache(decoder, slots, room)
        self._state = SlotState(slots, decoder.codebooks, room.steps + 1, self._device)
        self._graphs = CudaGraphs(
            lambda shape: run_step(decoder, self._cache, self._state, shape),
            self._state.going,
            captures=self._device.type == "cuda",
        )
        self._places: dict[Sequence, KvSlot] = {}
        self._going: frozenset[int] = frozenset()  # the slots that the device knows to go on
        self._pending_steps: deque[PendingStep] = deque()

    @property
    def kv_precision(self) -> Precision:
        return NAMES[self._decoder.dtype]

    @property
    def held(self) -> int:
        return len(self._places)

    @contextmanager
    def context(self) -> Iterator[None]:
        with self._work_stream.open():
            yield

    def warm_up(self, progress: Progress) -> None:
        """Captures the usual shapes, so that no song waits for it."""
        if not self._graphs.captures:
            return
        shapes = list(self._buckets.usual())
        for done, shape in enumerate(shapes):
            progress(done, len(shapes))
            self._graphs.capture(shape)

    def prefill(self, sequence: Sequence, conditions: Conditions) -> None:
        had = self._places.get(sequence)
        slot = self._lowest_free() if had is None else had.slot
        prefix = halves_of(sequence, conditions.prefix)  # [halves, prefix, dim]
        source = conditions.cross if sequence.has_conditional_half else None  # [source, dim]
        text = 0 if source is None else len(source)
        self._check(prefix.shape[1], text)
        lend(prefix)
        lend(source)
        self._cache.clear(slot)
        cross = None
        if source is not None:
            keys, values = self._decoder.cross_keys_values(source)
            self._cache.set_text(slot, keys, values)
            cross = CrossKv(keys, values)
        known = send(sequence.tokens[:, : sequence.step].T, self._device)  # [steps, codebooks]
        prefill(self._decoder, prefix.to(self._decoder.dtype), known, cross, self._cache.store_in(slot))
        place = KvSlot(slot, prefix.shape[1], text, sequence.step, sequence.decoded, sequence.window_steps - 1)
        self._write(sequence, place)
        self._places[sequence] = place
        self._forget(sequence)

    def release(self, sequence: Sequence) -> None:
        self._places.pop(sequence, None)
        self._forget(sequence)

    def step(self, sequences: Iterable[Sequence]) -> list[Outcome]:
        going = [s for s in sequences if s in self._places and self._places[s].going]
        if going:
            self._move_down()
            self._begin(going)
        elif not self._pending_steps:
            raise RuntimeError("nothing to step, and nothing on its way")
        outcomes: list[Outcome] = []
        while len(self._pending_steps) > (self._ahead if going else 0):
            outcomes += self._land(self._pending_steps.popleft())
        return outcomes

    def _begin(self, songs: list[Sequence]) -> None:
        """One step of these songs, and the copy of what comes out of it."""
        places = [self._places[song] for song in songs]
        self._tell(frozenset(place.slot for place in places))
        self._graphs.run(self._shape(songs, places))
        flown = []
        for song, place in zip(songs, places, strict=True):
            place.step += 1
            place.decoded += 1
            flown.append((song, place.slot, place.step, place.decoded))
            if not place.going and song.window == len(song.windows) - 1:
                del self._places[song]  # what comes after it in the stream may have the slot
        self._pending_steps.append(self._pending_step(tuple(flown)))

    def _pending_step(self, songs: tuple[tuple[Sequence, int, int, int], ...]) -> PendingStep:
        outcome = self._state.outcome
        if self._device.type != "cuda":
            return PendingStep(songs, outcome.clone(), None)
        host = torch.empty(outcome.shape, dtype=outcome.dtype, pin_memory=True)
        host.copy_(outcome, non_blocking=True)
        arrived = torch.cuda.Event(blocking=True)
        arrived.record()
        return PendingStep(songs, host, arrived)

    def _land(self, pending_step: PendingStep) -> list[Outcome]:
        if pending_step.arrived is not None:
            pending_step.arrived.synchronize()
        rows, outcomes = pending_step.outcome.numpy(), []
        for song, slot, step, decoded in pending_step.songs:
            song.tokens.numpy()[:, step] = rows[slot, :-1]
            song.step, song.decoded = step, decoded
            outcomes.append((song, bool(rows[slot, -1])))
        return outcomes

    def _forget(self, sequence: Sequence) -> None:
        """What is still on its way for a song that has left, or begun anew, is nobody's."""
        for number, pending_step in enumerate(self._pending_steps):
            if any(flown[0] is sequence for flown in pending_step.songs):
                left = tuple(flown for flown in pending_step.songs if flown[0] is not sequence)
                self._pending_steps[number] = PendingStep(left, pending_step.outcome, pending_step.arrived)

    # slots and buckets

    def _lowest_free(self) -> int:
        taken = {place.slot for place in self._places.values()}
        return next(slot for slot in range(self.slots) if slot not in taken)

    def _move_down(self) -> None:
        """Songs above the smallest bucket that would hold them all take free slots below."""
        bucket = self._buckets.slots_for(len(self._places))
        for place in sorted(self._places.values(), key=lambda p: p.slot):
            if place.slot >= bucket:
                free = self._lowest_free()
                self._cache.move(place.slot, free)
                self._state.move(place.slot, free)
                place.slot = free

    def _shape(self, songs: list[Sequence], places: list[KvSlot]) -> StepShape:
        pieces = [song.piece for song in songs]
        context = max(place.prefix + place.step for place in places) + 1
        return StepShape(
            slots=self._buckets.slots_for(1 + max(place.slot for place in places)),
            context=self._buckets.context_for(context),
            text=self._buckets.text_for(max(place.text for place in places)),
            halves=2 if self._exact or any(song.halves == 2 for song in songs) else 1,
            sorts=any(piece.top_p > 0 or piece.top_k > WIDEST_TOP_K for piece in pieces),
        )

    # what the device is told

    def _tell(self, going: frozenset[int]) -> None:
        if going != self._going:
            flags = torch.zeros(self.slots, dtype=torch.int64)
            flags[list(going)] = 1
            self._state.going.copy_(send(flags, self._device))
            self._going = going

    def _write(self, sequence: Sequence, place: KvSlot) -> None:
        """Everything that the steps of this window need, in the order of the columns in cuda_step.py."""
        piece, state = sequence.piece, self._state
        low, high = seed_halves(piece.seed)
        text = max(1, place.text)  # without any, one token that says nothing
        one_half = int(sequence.halves == 1)
        numbers = [place.step, place.prefix, place.decoded, piece.top_k, text, one_half, low, high]
        reals = [piece.temperature, piece.top_p, piece.guidance_scale]
        state.numbers[place.slot] = send(torch.tensor(numbers), self._device)
        state.reals[place.slot] = send(torch.tensor(reals, dtype=torch.float32), self._device)
        state.tokens[place.slot, :, : sequence.window_steps] = send(sequence.tokens, self._device)

    def _check(self, prefix: int, text: int) -> None:
        room = self._room
        if prefix > room.prefix or text > room.text:
            found = f"{max(prefix, text)} tokens, melody included" if prefix else f"{text} tokens"
            raise InvalidRequest([FieldError("prompt", f"is too long for this engine ({found}); shorten it")])
