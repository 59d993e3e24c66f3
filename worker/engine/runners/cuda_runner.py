"""Run decode steps on a GPU: sequences in the slots of a static KV cache, each step one CUDA graph (`CudaRunner`).

The host never waits for the step that it has just launched. It knows by counting where every sequence is; the outcome
(new tokens, and whether the logits were numbers) follows by a copy that is read `AHEAD` steps later, and only then do
the sequences change. A slot is free once its sequence's last step is launched: all work on slots is on one stream.

The lowest free slot is taken, and sequences move down when they would fit a smaller bucket: a step costs what its
bucket costs. With `exact` there is one bucket, and full contexts: neither kernels nor sums then depend on the batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

from shared.errors import FieldError, InvalidRequest
from worker.engine.core.streams import WorkStream, record_use, to_device
from worker.engine.core.types import OnProgress, Precision
from worker.engine.model.conditioning import Conditions
from worker.engine.model.decoder import Decoder
from worker.engine.model.memory import Capacity, slot_bytes
from worker.engine.model.precisions import NAMES
from worker.engine.model.sampler import seed_halves
from worker.engine.runners.base import Outcome
from worker.engine.runners.buckets import Buckets
from worker.engine.runners.cross_kv import CrossKv
from worker.engine.runners.cuda_graphs import CudaGraphs
from worker.engine.runners.cuda_step import WIDEST_TOP_K, SlotState, StepShape, run_step, step_logits
from worker.engine.runners.graph_boot import capture_common
from worker.engine.runners.kv_slot import KvSlot, PendingStep
from worker.engine.runners.outcome_buffers import OutcomeBuffers
from worker.engine.runners.prefill import prefill
from worker.engine.runners.sequence import Sequence
from worker.engine.runners.static_kv_cache import StaticKvCache
from worker.engine.runners.step_attention import MaskedAttention, StepAttention, choose

AHEAD = 2  # steps launched beyond the newest one that is back: hides the host's work, and bounds a cancel's wait


class CudaRunner:
    """Step the sequences of one model in a fixed number of slots; outcomes follow a few steps later.

    `attention` is by default what runs on the device, and torch's own where nothing is captured: so no kernel fails on
    every rung. With `frame_s`, the seconds of music that a step makes, `warm_up` leaves the slots that are worth it.
    """

    def __init__(
        self,
        decoder: Decoder,
        capacity: Capacity,
        slots: int,
        exact: bool = False,
        ahead: int = AHEAD,
        captures: bool | None = None,
        attention: type[StepAttention] | None = None,
        frame_s: float | None = None,
    ) -> None:
        self.slots = slots
        self.bytes_per_slot = slot_bytes(decoder, capacity)
        self._decoder = decoder
        self._device = decoder.device
        self._capacity = capacity
        self._exact = exact
        captures = self._device.type == "cuda" if captures is None else captures
        attention = attention or (choose(decoder, capacity) if captures else MaskedAttention)
        self._buckets = Buckets(slots, capacity, exact, attention.own_lengths)
        self._ahead = ahead
        self._frame_s = frame_s
        self._work_stream = WorkStream(self._device)
        self._cache = StaticKvCache(decoder, slots, capacity, attention)
        self._state = SlotState(slots, decoder.codebooks, capacity.steps + 1, self._device)
        self._outcomes = OutcomeBuffers(self._state.outcome, ahead + 1)
        run = partial(run_step, decoder, self._cache, self._state)
        self._graphs = CudaGraphs(run, self._state.active, captures)
        self._kv_slots: dict[Sequence, KvSlot] = {}
        self._active_slots: frozenset[int] = frozenset()  # the slots that the device steps
        self._pending_steps: deque[PendingStep] = deque()

    @property
    def name(self) -> str:
        return "graphs" if self._graphs.captures else "eager"

    @property
    def kernels_name(self) -> str:
        return "torch, triton" if self._buckets.own_lengths else "torch"

    @property
    def kv_precision(self) -> Precision:
        return NAMES[self._decoder.dtype]

    @property
    def active(self) -> int:
        return len(self._kv_slots)

    @contextmanager
    def context(self) -> Iterator[None]:
        with self._work_stream.open():
            yield

    def warm_up(self, progress: OnProgress) -> None:
        """Capture the graphs of the common shapes, so that no request waits; keep the slots that are worth it."""
        if not self._graphs.captures:
            return
        self._buckets = capture_common(self._graphs, self._buckets, self._state, self._frame_s, progress)
        self.slots = self._buckets.slots

    def prefill(self, sequence: Sequence, conditions: Conditions) -> None:
        if not self._kv_slots and not self._pending_steps:
            self._graphs.make_space()
        previous = self._kv_slots.get(sequence)
        slot = self._lowest_free() if previous is None else previous.slot
        prefix, source = conditions.prefix, conditions.cross  # [halves, prefix, dim], [source, dim]
        text = 0 if source is None else len(source)
        self._check(prefix.shape[1], text)
        record_use(prefix)
        record_use(source)
        self._cache.clear(slot)
        cross = None
        if source is not None:
            keys, values = self._decoder.cross_keys_values(source)
            self._cache.set_text(slot, keys, values)
            cross = CrossKv(keys, values)
        known = to_device(sequence.tokens[:, : sequence.step].T, self._device)  # [steps, codebooks]
        prefill(self._decoder, prefix.float(), known, cross, self._cache.store_in(slot))
        kv_slot = KvSlot(slot, prefix.shape[1], text, sequence.step, sequence.decoded, sequence.window_steps - 1)
        self._write_state(sequence, kv_slot)
        self._kv_slots[sequence] = kv_slot
        self._discard_pending(sequence)

    def release(self, sequence: Sequence) -> None:
        self._kv_slots.pop(sequence, None)
        self._discard_pending(sequence)

    def step(self, sequences: Iterable[Sequence]) -> list[Outcome]:
        running = [s for s in sequences if s in self._kv_slots and self._kv_slots[s].has_steps]
        if running:
            self._move_down()
            self._launch_step(running)
        elif not self._pending_steps:
            raise RuntimeError("nothing to step, and nothing on its way")
        outcomes: list[Outcome] = []
        while len(self._pending_steps) > (self._ahead if running else 0):
            outcomes += self._finish_step(self._pending_steps.popleft())
        return outcomes

    def observe(self, sequence: Sequence) -> torch.Tensor:
        kv_slot = self._kv_slots[sequence]
        shape = self._shape([sequence], [kv_slot])
        found: list[torch.Tensor] = []
        self._graphs.run_eagerly(
            lambda: found.append(step_logits(self._decoder, self._cache, self._state, shape)[kv_slot.slot])
        )
        self.step([sequence])
        return found[0]

    @contextmanager
    def plainly(self) -> Iterator[CudaRunner | None]:
        captures, self._graphs.captures = self._graphs.captures, False
        try:
            yield self if captures else None
        finally:
            self._graphs.captures = captures

    def _launch_step(self, sequences: list[Sequence]) -> None:
        """Launch one decode step of these sequences, and the copy of its outcome to the host."""
        kv_slots = [self._kv_slots[sequence] for sequence in sequences]
        self._set_active_slots(frozenset(kv_slot.slot for kv_slot in kv_slots))
        self._graphs.run(self._shape(sequences, kv_slots))
        launched = []
        for sequence, kv_slot in zip(sequences, kv_slots, strict=True):
            kv_slot.step += 1
            kv_slot.decoded += 1
            launched.append((sequence, kv_slot.slot, kv_slot.step, kv_slot.decoded))
            if not kv_slot.has_steps and sequence.window == len(sequence.windows) - 1:
                del self._kv_slots[sequence]  # what comes after it in the stream may have the slot
        self._pending_steps.append(PendingStep(tuple(launched), self._outcomes.copy()))

    def _finish_step(self, pending_step: PendingStep) -> list[Outcome]:
        rows, outcomes = pending_step.outcome.wait().numpy(), []
        for sequence, slot, step, decoded in pending_step.sequences:
            sequence.tokens.numpy()[:, step] = rows[slot, :-1]
            sequence.step, sequence.decoded = step, decoded
            outcomes.append((sequence, bool(rows[slot, -1])))
        self._outcomes.free(pending_step.outcome)
        return outcomes

    def _discard_pending(self, sequence: Sequence) -> None:
        """Drop the pending outcomes of a sequence that has left, or has begun another window."""
        for number, pending_step in enumerate(self._pending_steps):
            if any(entry[0] is sequence for entry in pending_step.sequences):
                left = tuple(entry for entry in pending_step.sequences if entry[0] is not sequence)
                self._pending_steps[number] = PendingStep(left, pending_step.outcome)

    # slots and buckets

    def _lowest_free(self) -> int:
        taken = {kv_slot.slot for kv_slot in self._kv_slots.values()}
        return next(slot for slot in range(self.slots) if slot not in taken)

    def _move_down(self) -> None:
        """Move sequences above the smallest bucket that would hold them all to free slots below."""
        bucket = self._buckets.slots_for(len(self._kv_slots))
        for kv_slot in sorted(self._kv_slots.values(), key=lambda taken: taken.slot):
            if kv_slot.slot >= bucket:
                free = self._lowest_free()
                self._cache.move(kv_slot.slot, free)
                self._state.move(kv_slot.slot, free)
                kv_slot.slot = free

    def _shape(self, sequences: list[Sequence], kv_slots: list[KvSlot]) -> StepShape:
        requests = [sequence.request for sequence in sequences]
        context = max(kv_slot.prefix + kv_slot.step for kv_slot in kv_slots) + 1
        return StepShape(
            slots=self._buckets.slots_for(1 + max(kv_slot.slot for kv_slot in kv_slots)),
            context=self._buckets.context_for(context),
            text=self._buckets.text_for(max(kv_slot.text for kv_slot in kv_slots)),
            halves=2 if self._exact or any(sequence.halves == 2 for sequence in sequences) else 1,
            sorts=any(request.top_p > 0 or request.top_k > WIDEST_TOP_K for request in requests),
        )

    # the slots' state on the device

    def _set_active_slots(self, active: frozenset[int]) -> None:
        if active != self._active_slots:
            flags = torch.zeros(len(self._state.active), dtype=torch.int64)
            flags[list(active)] = 1
            self._state.active.copy_(to_device(flags, self._device))
            self._active_slots = active

    def _write_state(self, sequence: Sequence, kv_slot: KvSlot) -> None:
        """Copy what the steps of this window need to the device, in the order of the columns in cuda_step.py."""
        request, state = sequence.request, self._state
        low, high = seed_halves(request.seed)
        text = max(1, kv_slot.text)  # without any, one token that says nothing
        one_half = int(sequence.halves == 1)
        numbers = [kv_slot.step, kv_slot.prefix, kv_slot.decoded, request.top_k, text, one_half, low, high]
        reals = [request.temperature, request.top_p, request.guidance_scale]
        state.numbers[kv_slot.slot] = to_device(torch.tensor(numbers), self._device)
        state.reals[kv_slot.slot] = to_device(torch.tensor(reals, dtype=torch.float32), self._device)
        state.tokens[kv_slot.slot, :, : sequence.window_steps] = to_device(sequence.tokens, self._device)

    def _check(self, prefix: int, text: int) -> None:
        capacity = self._capacity
        if prefix > capacity.prefix or text > capacity.text:
            found = f"{max(prefix, text)} tokens, melody included" if prefix else f"{text} tokens"
            raise InvalidRequest([FieldError("prompt", f"is too long for this engine ({found}); shorten it")])
