"""Find the intact part of a broker's append-only files, and cut off what follows it.

Owns the folder in which Valkey keeps its multi-part append-only file: a manifest, at most one base file (an RDB
snapshot), and files of commands that go on from it (RESP, https://valkey.io/topics/persistence). The intact part of one
file is what `valkey-check-aof --fix` would leave of it. The tool itself does not do: that of Valkey 9.1 refuses the
snapshots of its own server, and none minds a command that the server does not know, damage before the last file, or a
manifest that is gone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from stack.errors import StackError

FOLDER = "appendonlydir"
MANIFEST = "appendonly.aof.manifest"
BASE, INCREMENT = "b", "i"  # as the manifest writes them; "h" is a file that is being deleted
NAME = re.compile(r"appendonly\.aof\.(\d+)\.(base|incr)\.(?:rdb|aof)")
LINE = re.compile(r"file (appendonly\.aof\.\d+\.(?:base|incr)\.(?:rdb|aof)) seq (\d+) type ([bih])(?: .*)?")
MOST_DIGITS = 20  # of a length in RESP
MOST_ANNOTATION = 1024
FIRST = 1  # a base of this number was written when the broker first started, and holds nothing


@dataclass(frozen=True)
class DataFile:
    """Hold one line of the manifest."""

    name: str
    seq: int
    kind: str

    def line(self) -> str:
        return f"file {self.name} seq {self.seq} type {self.kind}\n"


@dataclass(frozen=True)
class Damage:
    """Say where the intact part ends: how much of which file is kept, and how many bytes are not."""

    where: str
    keep: tuple[tuple[DataFile, int], ...]
    lost_bytes: int

    @property
    def kept_bytes(self) -> int:
        return sum(length for _, length in self.keep)


class AppendOnlyFiles:
    """Check and cut the append-only files below a broker's folder. All methods ask that no server runs there."""

    def __init__(self, broker_folder: Path, server: Path) -> None:
        self._folder = broker_folder / FOLDER
        self._server = server

    def is_manifest_wrong(self) -> bool:
        """Tell whether it cannot be read, or leaves out data that lies there."""
        with _reading():
            listed, present = self._listed(), self._present()
            if listed is None:
                return bool(present) or (self._folder / MANIFEST).exists()
            names = {file.name for file in listed}
            return any(file.kind == INCREMENT and file.name not in names and self._size(file) for file in present)

    def would_be_overlooked(self) -> bool:
        """Tell whether the server would start without data that lay there, in silence; `find_damage` then finds it."""
        with _reading():
            return self.is_manifest_wrong() or any(self._is_empty_base(file) for file in self._in_order())

    def find_damage(self, arities: Mapping[bytes, int]) -> Damage | None:
        """Read everything, and return what is damaged; None when all of it is intact.

        `arities` has how many words each command of the server takes. Raises StackError when a file cannot be read, or
        was written by a later version of the server: neither is damage.
        """
        where = f"{MANIFEST} could not be read" if self.is_manifest_wrong() else ""
        keep: list[tuple[DataFile, int]] = []
        lost, ended = 0, False
        with _reading():
            for file in self._in_order():
                size = self._size(file)
                complete = 0 if ended or size is None else self._complete_length(file, size, arities)
                if complete:
                    keep.append((file, complete))
                lost += (size or 0) - complete
                if not ended and (complete != size or self._is_empty_base(file)):
                    where = f"{file.name} is missing" if size is None else f"{file.name} at byte {complete:,}"
                    ended = not _is_first_base(file)
        return Damage(where, tuple(keep), lost) if where else None

    def cut(self, damage: Damage) -> Path:
        """Copy all files to a folder beside theirs, then keep only what is intact. Returns that folder.

        Raises StackError when there is no room for the copy; nothing has been changed then.
        """
        try:
            copy = self._copy()
            kept = [file for file, _ in damage.keep]
            for file in self._present():
                if file.name not in {each.name for each in kept}:
                    (self._folder / file.name).unlink()
            for file, length in damage.keep:
                with (self._folder / file.name).open("r+b") as data:
                    data.truncate(length)
            self._write_manifest(kept)
        except OSError as error:
            raise StackError(f"the broker's damaged append-only file cannot be copied and mended: {error}") from error
        return copy

    def _complete_length(self, file: DataFile, size: int, arities: Mapping[bytes, int]) -> int:
        path = self._folder / file.name
        if path.suffix == ".rdb":
            return size if self._is_complete_snapshot(path) else 0
        with path.open("rb") as data:
            return complete_length(data, size, arities)

    def _is_complete_snapshot(self, path: Path) -> bool:
        """Ask the server's program, which under this name checks a snapshot."""
        command = ["valkey-check-rdb", str(path)]
        reported = subprocess.run(command, executable=self._server, capture_output=True, text=True, errors="replace")
        if re.search(r"Can't handle RDB format version|Future RDB version", reported.stdout):
            raise StackError(f"{path} was written by a later version of the broker: install that version again")
        return reported.returncode == 0

    def _in_order(self) -> Sequence[DataFile]:
        """Return the base and what goes on from it, by the manifest if that can be read, else by the files' names."""
        files = self._present() if self.is_manifest_wrong() else self._listed() or []
        bases = sorted((file for file in files if file.kind == BASE), key=lambda file: file.seq)
        # Of two bases the earlier is right: the later one was being made, and all later commands are still there.
        return bases[:1] + sorted((file for file in files if file.kind == INCREMENT), key=lambda file: file.seq)

    def _listed(self) -> list[DataFile] | None:
        """Return what the manifest lists; None when it is missing or is none."""
        try:
            text = (self._folder / MANIFEST).read_text()
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            return None
        found = [LINE.fullmatch(line) for line in text.splitlines() if not line.startswith("#")]
        files = [DataFile(each[1], int(each[2]), each[3]) for each in found if each is not None]
        return files if files and len(files) == len(found) and text.endswith("\n") else None

    def _present(self) -> list[DataFile]:
        if not self._folder.is_dir():
            return []
        found = [NAME.fullmatch(path.name) for path in self._folder.iterdir()]
        return [DataFile(each[0], int(each[1]), BASE if each[2] == "base" else INCREMENT) for each in found if each]

    def _size(self, file: DataFile) -> int | None:
        try:
            return (self._folder / file.name).stat().st_size
        except FileNotFoundError:
            return None

    def _is_empty_base(self, file: DataFile) -> bool:
        """Tell whether a base is empty: even a snapshot of nothing has a header."""
        return file.kind == BASE and self._size(file) == 0

    def _copy(self) -> Path:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        target = self._folder.with_name(f"{FOLDER}.damaged-{stamp}")
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{FOLDER}.damaged-{stamp}-{number}")
        unfinished = target.with_name(f"{target.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(self._folder, unfinished)
        return unfinished.rename(target)

    def _write_manifest(self, files: Sequence[DataFile]) -> None:
        manifest = self._folder / MANIFEST
        if not files:
            manifest.unlink(missing_ok=True)
            return
        fresh = manifest.with_name(f"temp-{MANIFEST}")
        fresh.write_text("".join(file.line() for file in files))
        fresh.replace(manifest)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StackError(f"the broker's append-only file cannot be read: {error}") from error


def _is_first_base(file: DataFile) -> bool:
    return file.kind == BASE and file.seq == FIRST


def complete_length(data: BufferedReader, size: int, arities: Mapping[bytes, int]) -> int:
    """Return the offset behind the last complete command that the server knows; an open transaction is none."""
    complete, in_transaction = 0, False
    while (words := _read_command(data, size)) is not None:
        if words and not _is_known(words, arities):
            break
        name = words[0].lower() if words else b""
        in_transaction = name == b"multi" or (in_transaction and name != b"exec")
        if not in_transaction:
            complete = data.tell()
    return complete


def _read_command(data: BufferedReader, size: int) -> list[bytes] | None:
    """Return one command's words; none of them for an annotation, None at the end or where this is no command."""
    if data.peek(1)[:1] == b"#":
        return [] if data.readline(MOST_ANNOTATION).endswith(b"\n") else None
    count = _read_number(data, b"*")
    if not count:
        return None
    words: list[bytes] = []
    for _ in range(count):
        length = _read_number(data, b"$")
        if length is None or length > size - data.tell():
            return None
        words.append(data.read(length))
        if data.read(2) != b"\r\n":
            return None
    return words


def _read_number(data: BufferedReader, marker: bytes) -> int | None:
    line = data.readline(MOST_DIGITS + 3)
    digits = line[1:-2]
    return int(digits) if line[:1] == marker and line[-2:] == b"\r\n" and digits.isdigit() else None


def _is_known(words: Sequence[bytes], arities: Mapping[bytes, int]) -> bool:
    """Tell whether it is a command, and has as many words as that asks for (a negative arity: or more)."""
    name = words[0].lower()
    arity = arities.get(b"|".join(word.lower() for word in words[:2]), arities.get(name))
    return arity is not None and (len(words) == arity if arity > 0 else len(words) >= -arity)
