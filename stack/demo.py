"""Run `python -m stack.demo`: the complete product once, from nothing to two audio files, and nothing left running.

Owns the demo's requests and its screen. Its folder is one of its own below var/demo, and its stack an isolated one, so
that it works beside anything else that runs here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from shared.settings import ROOT
from stack.client import ENDED, Client, Clip, DemoFailed
from stack.demo_melody import write_melody
from stack.errors import FolderInUse, ProgramFailed, StackError, last_lines
from stack.folder_lock import LOCK_FILE, FolderLock
from stack.isolated import isolated_services
from stack.processes import Supervisor
from stack.services import TINY, TINY_ALIASES

DEMO_FOLDER = ROOT / "var" / "demo"
OUTPUT_FOLDER = ROOT / "demo-output"
TEXT_PROMPT = "fast happy synth with drums in C major"
MELODY_PROMPT = "flute, 125 bpm, with drums"
POLL_S = 0.2
READY_TIMEOUT_S = 180.0
JOB_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class ClipRequest:
    """Describe one clip to ask for."""

    title: str
    file_name: str
    fields: dict[str, Any]
    melody: Path | None = None


def clip_requests(duration_s: float) -> list[ClipRequest]:
    melody = write_melody(OUTPUT_FOLDER / "melody-input.wav", duration_s)
    return [
        ClipRequest("text", "text", {"prompt": TEXT_PROMPT, "duration": duration_s, "seed": 1}),
        ClipRequest("melody", "melody", {"prompt": MELODY_PROMPT, "duration": duration_s, "seed": 2}, melody),
    ]


class Show:
    """Show a bar for each clip; where the output is no terminal, a plain line every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description:8}"), BarColumn(40), TextColumn("{task.percentage:3.0f} %"))
        self._bars = Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[stage]}"), console=console)
        self._said_at: dict[str, float] = {}

    def __enter__(self) -> Show:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def add(self, title: str) -> TaskID:
        return self._bars.add_task(title, total=100.0, stage="submitted")

    def update(self, bar: TaskID, title: str, task: dict[str, Any]) -> None:
        stage, percent = _describe(task), float(task.get("progress") or 0.0)
        if task["status"] == "completed":
            percent = 100.0
        self._bars.update(bar, completed=percent, stage=stage)
        if task["status"] in ENDED:
            self._bars.stop_task(bar)
        now = time.monotonic()
        due = task["status"] in ENDED or now - self._said_at.get(title, 0.0) > 3.0
        if due and not self._console.is_terminal:
            self._said_at[title] = now
            self._console.print(f"{title:8} {percent:3.0f} %  {stage}")


def _describe(task: dict[str, Any]) -> str:
    if task["status"] != "processing":
        return str(task["status"])
    stage = str(task.get("stage") or "processing")
    if stage == "queued" and task.get("position"):
        return f"queued, position {task['position']}"
    eta_s = task.get("eta_s")
    return f"{stage}, about {eta_s:.0f} s left" if isinstance(eta_s, int | float) else stage


def perform(
    client: Client, supervisor: Supervisor, console: Console, wanted: list[ClipRequest]
) -> list[tuple[ClipRequest, Any]]:
    """Submit all, poll until all have ended, and return the finished tasks in the order asked."""
    ids = {clip_request.title: client.submit(clip_request.fields, clip_request.melody) for clip_request in wanted}
    tasks: dict[str, Any] = {}
    give_up_at = time.monotonic() + JOB_TIMEOUT_S
    with Show(console) as show:
        bars = {title: show.add(title) for title in ids}
        while len(tasks) < len(ids):
            for title in ids.keys() - tasks.keys():
                task = client.task(ids[title])
                show.update(bars[title], title, task)
                if task["status"] in ENDED:
                    tasks[title] = task
            supervisor.check()
            if time.monotonic() > give_up_at:
                raise DemoFailed(f"no result after {JOB_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)
    return [(clip_request, _completed(clip_request.title, tasks[clip_request.title])) for clip_request in wanted]


def _completed(title: str, task: dict[str, Any]) -> dict[str, Any]:
    if task["status"] != "completed":
        raise DemoFailed(f"{title}: the task {task['status']}: {task.get('error')} ({task.get('error_code')})")
    return task


def report(console: Console, clip: Clip, task: dict[str, Any]) -> None:
    took_s = float(task.get("generation_time") or 0.0)
    speed = f"{clip.duration_s / took_s:.1f} x real time" if took_s > 0 else "time unknown"
    where = clip.path.relative_to(ROOT)
    console.print(
        f"{where}  {clip.duration_s:.2f} s at {clip.sample_rate_hz} Hz, made in {took_s:.1f} s ({speed})",
        highlight=False,
    )


def run(folder: Path, duration_s: float, console: Console) -> None:
    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    wanted = clip_requests(duration_s)
    services = isolated_services(folder, TINY, aliases=TINY_ALIASES, environment={"WEB_CONCURRENCY": "1"})
    with Supervisor(say) as supervisor:
        services.start(supervisor, say)
        say("the tiny model takes 10 to 30 s to load, mostly its libraries; the first time a minute or more")
        with console.status("starting") as status:
            seconds = supervisor.wait_until_ready(
                services.missing,
                timeout_s=READY_TIMEOUT_S,
                on_wait=lambda what, s: status.update(f"{s:3.0f} s: {what}"),
            )
        say(f"ready after {seconds:.1f} s; asking for {len(wanted)} pieces of {duration_s:g} s")
        with Client(services.url) as client:
            finished = perform(client, supervisor, console, wanted)
            clips = [(o, client.download(task["audio_url"], OUTPUT_FOLDER, o.file_name), task) for o, task in finished]
    for clip_request, clip, task in clips:
        report(console, clip, task)
        examine(console, say, clip_request, clip)
    say(f"the melody that was sent: {wanted[-1].melody and wanted[-1].melody.relative_to(ROOT)}")


def examine(console: Console, say: Callable[[str], None], clip_request: ClipRequest, clip: Clip) -> None:
    """Say what the result sounds like beside what was asked, and draw its spectrogram."""
    from stack.demo_analysis import analyse, draw  # the start need not wait for it

    prompt = str(clip_request.fields["prompt"])
    say(f"    asked:  {prompt}")
    with console.status("    measuring tempo, key and drums"):
        say(f"    heard:  {analyse(clip.path, clip_request.melody)}")
    with console.status("    drawing it"):
        say(f"    picture: {draw(clip.path, prompt).relative_to(ROOT)}")


def own_folder() -> tuple[Path, FolderLock]:
    """Make a folder for this run, and remove those of earlier runs that no live process has locked."""
    for left_over in DEMO_FOLDER.glob("run-[0-9]*"):
        if not (left_over / LOCK_FILE).is_file():
            continue  # no run's
        lock = FolderLock(left_over)
        try:
            lock.take()
        except FolderInUse:
            continue
        shutil.rmtree(left_over, ignore_errors=True)
        lock.release()
    lock = FolderLock(DEMO_FOLDER / f"run-{os.getpid()}")
    lock.take()
    return lock.folder, lock


def explain(console: Console, error: Exception, folder: Path) -> None:
    console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
    logs = [error.log_path] if isinstance(error, ProgramFailed) else sorted((folder / "log").glob("*.log"))
    for log in logs:
        console.print(f"the end of {log}:", markup=False, highlight=False, soft_wrap=True)
        for line in last_lines(log, 15):
            console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="stack.demo", description="two pieces of music, then everything stops")
    parser.add_argument("--duration", type=float, default=8.0, help="seconds of each piece (default 8)")
    arguments = parser.parse_args()
    console = Console()
    folder, lock = own_folder()
    try:
        run(folder, arguments.duration, console)
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is stopped")
        return 130
    except (StackError, httpx.HTTPError) as error:
        explain(console, error, folder)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
