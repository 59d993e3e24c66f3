"""Name the blobs, all in one folder of our own; no deleter touches any other name.

    <prefix>/results/<task id>/<attempt>.<extension>      audio, and beside it the model's codes
    <prefix>/uploads/<task or batch id>/<kind>.flac       what a request brought

The records hold whole keys, prefix included. An older version wrote without any prefix, and an operator may change it
(S3_PREFIX): what lies outside the folder of today is read and deleted by the key in its record, and never searched for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.music.formats import FORMATS
from shared.settings import STORE_PREFIX

RESULTS, UPLOADS = "results", "uploads"
UPLOAD_KINDS = ("melody", "beginning")
CODES = "codes"
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"  # as str(uuid.uuid4()) writes it
_EXTENSION = "|".join([*sorted({each.extension for each in FORMATS.values()}), CODES])
_RESULT = rf"{RESULTS}/{_ID}/[1-9][0-9]{{0,8}}\.(?:{_EXTENSION})"
_UPLOAD = rf"{UPLOADS}/{_ID}/(?:{'|'.join(UPLOAD_KINDS)})\.flac"
_NAME = re.compile(rf"{_RESULT}|{_UPLOAD}")
_NAME_ANYWHERE = re.compile(rf"(?:.+/)?(?:{_RESULT}|{_UPLOAD})")
_FOLDER_ID = re.compile(_ID)


def is_written_name(key: str) -> bool:
    """Return whether some version of Ostinato could have written that key, under whatever prefix."""
    return _NAME_ANYWHERE.fullmatch(key) is not None


def is_folder_id(name: str) -> bool:
    """Return whether a folder of one task's blobs could have that name."""
    return _FOLDER_ID.fullmatch(name) is not None


@dataclass(frozen=True)
class OwnNames:
    """Make the names below one prefix, such as `ostinato`."""

    prefix: str = STORE_PREFIX

    def result(self, job_id: str, attempt: int, extension: str) -> str:
        """Return the key of what an attempt made; no two attempts share one."""
        return f"{self.prefix}/{RESULTS}/{job_id}/{attempt}.{extension}"

    def upload_folder(self, owner_id: str) -> str:
        """Return the folder of what came with a task or a batch: `<kind>.flac` for each of UPLOAD_KINDS."""
        return f"{self.prefix}/{UPLOADS}/{owner_id}"

    def own(self, key: str) -> bool:
        """Return whether the key lies in our folder and is one that we could have written there."""
        return key.startswith(f"{self.prefix}/") and _NAME.fullmatch(key, len(self.prefix) + 1) is not None
