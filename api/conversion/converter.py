"""Convert a kept clip on demand: what a fresh encoding would be, made of the file that is kept.

Owns the child process (`api.conversion.convert_process`): its share of the machine, its clock, its memory. A conversion
takes one of the slots in which uploads are decoded, so that both together never take more of the machine than these.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import IO, Any

from api.conversion.converted_clip import ConvertedClip, ConvertedClips
from api.uploads.decoder_slots import open_slots
from api.uploads.upload_store import Blobs
from shared.audio.tags import current_tags_of
from shared.errors import FieldError, InvalidRequest, Unavailable
from shared.jobs.job import Job, Result
from shared.music.formats import FORMATS
from shared.settings import ROOT, Settings

log = logging.getLogger(__name__)

CHILD = "api.conversion.convert_process"
MEMORY_BYTES = 3 * 2**30  # of addresses: what an hour of stereo needs
FAILED = "CONVERSION_FAILED"


class Converter:
    """Convert results; one per process."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._settings = settings
        self._blobs = blobs
        self._clips = ConvertedClips(round(settings.converted_cache_mb * 2**20), settings.conversion_timeout_s)

    def convert(self, job: Job, result: Result, name: str) -> ConvertedClip:
        """Return the job's clip in that format, with the tags that it would have if it were made now.

        Raises NotFound when the kept file is gone or damaged, InvalidRequest for a format in which this machine cannot
        write it, RateLimited while this account converts and decodes as much as it may, and Unavailable when too many
        wait or it takes too long.
        """
        as_streamed = job.request.stream and not FORMATS[job.request.output_format].lossy  # which may pass full scale
        options = {"output_format": name, "streamed": as_streamed, **asdict(current_tags_of(job))}
        key = (result.sha256, *options.values())
        return self._clips.get(key, lambda: self._make(job, result, options))

    def _make(self, job: Job, result: Result, options: dict[str, Any]) -> ConvertedClip:
        name = options["output_format"]
        out = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as it is of use
        with tempfile.TemporaryFile() as clip, tempfile.TemporaryDirectory(prefix="ostinato-") as folder:
            with self._blobs.open_result(result) as reader:
                for chunk in reader:
                    clip.write(chunk)
            clip.seek(0)
            order = options | {"clip": clip.fileno(), "out": out.fileno(), "folder": folder}
            order |= {"extension": result.key.rpartition(".")[2], "ffmpeg": self._settings.ffmpeg}
            with open_slots(self._settings).acquire(job.account, self._settings.conversion_timeout_s):
                report = self._run_child(order, (clip, out))
        if "bytes" not in report:
            raise InvalidRequest([FieldError("format", report["message"], repr(name), report["code"])])
        return ConvertedClip.of(out, FORMATS[name].media_type)

    def _run_child(self, order: dict[str, Any], files: tuple[IO[bytes], ...]) -> dict[str, Any]:
        """Return what the child reports. Raises Unavailable when its time is over."""
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", CHILD],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[file.fileno() for file in files],
            start_new_session=True,
            text=True,
        )
        patience_s = self._settings.conversion_timeout_s
        try:
            said, complaints = child.communicate(json.dumps(order | {"memory_bytes": MEMORY_BYTES}), patience_s)
        except subprocess.TimeoutExpired:
            message = f"the conversion took longer than {patience_s:g} s; try again later, or take the kept format"
            raise Unavailable(message) from None
        finally:
            _kill_group(child)
        if child.returncode:
            log.warning("a conversion ended with status %d: %s", child.returncode, complaints[-500:])
            message = "could not be written from this clip; take another format, or the kept one"
            return {"code": FAILED, "message": message}
        report: dict[str, Any] = json.loads(said)
        return report


def _kill_group(child: subprocess.Popen[str]) -> None:
    """End the child and whatever program it has started."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
