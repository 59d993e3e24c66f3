"""Name the settings of one worker process: its model, what runs it, and how it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.settings.values import SettingsGroup


class WorkerSettings(SettingsGroup):
    """Read by workers, and by what starts them."""

    model: str = Field("small", description="the one model that this worker runs: a name, a hub id or a folder")
    model_revision: str | None = Field(None, description="the checkpoint's revision on the hub")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        "auto",
        description="what it runs on: `auto` is `cuda` where there is such a GPU, otherwise `cpu`, never `mps`",
    )
    engine: Literal["auto", "ostinato", "audiocraft"] = Field(
        "auto",
        description="`ostinato` (many requests share each decode step) or `audiocraft` (its own loop, one at a time)",
    )
    runner: Literal["auto", "graphs", "native", "eager", "audiocraft"] = Field(
        "auto",
        description="how it decodes. `auto` takes the first that works here: `graphs` on CUDA or `native` on the CPU "
        "(the kernels in C), `eager` (the same step by torch), `audiocraft` (its own loop). A name: that one or none",
    )
    graphs: Literal["auto", "off"] = Field("auto", description="on CUDA: `off` never captures a CUDA graph")
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        "auto",
        description="on the CPU `int8` (usual for models of over 100 million parameters, where the kernels in C were "
        "compiled), `fp32` (usual for smaller ones), `bf16`, `fp16`; on CUDA `fp16` (usual), `bf16`, `fp32`",
    )
    kernels: str = Field(
        "auto",
        description="on the CPU: which kernels multiply. `auto` takes what is fastest on this one; `avx512-vnni`, "
        "`avx512`, `avx2`, `neon-dot`, `neon`; or `torch`, slower, without those in C",
    )
    slots: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="requests decoded at once; unset, by memory, and on a GPU by how long steps take",
    )
    worker_concurrency: int | None = Field(
        None, ge=1, le=4096, description="jobs it may hold at once, a thread each; unset, enough for its slots"
    )
    exact: bool = Field(False, description="`1`: codes are bitwise independent of what else is decoded, and slower")
    offline: bool = Field(
        False,
        description="`1`: the model hub is never asked. Else it has 6 s to answer (`HF_HUB_ETAG_TIMEOUT`), and where "
        "it does not, what is in the cache is taken",
    )
    cache_dir: Path | None = Field(None, description="where weights are kept")
    worker_name: str | None = Field(
        None, description="its name; unset, host and process. To be set where containers share a host name"
    )
    failed_boot_wait_s: float = Field(
        0.0,
        ge=0,
        description="seconds that it waits before it ends where no way to decode works, for a restarter without a wait",
    )
    drain_s: float = Field(
        30.0, ge=0, description="seconds it finishes jobs after SIGTERM; the rest goes back to the queue at once"
    )
