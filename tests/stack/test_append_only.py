"""A broker whose append-only file is damaged comes back with its whole part; the file is copied and the loss told."""

from __future__ import annotations

import io
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import redis

from stack.append_only import FOLDER, MANIFEST, AppendOnlyFiles, complete_length
from stack.broker import EmbeddedBroker, known_arities
from stack.broker_server import server_path
from stack.errors import ProgramFailed, StackError

pytestmark = pytest.mark.slow

BASE, INCREMENT = "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"
KEYS = 60
ZEROS = bytes(4096)  # what a file system may leave behind a power cut


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A broker's folder with keys n0, n1, ... in that order, and then a transaction."""
    folder = tmp_path_factory.mktemp("original") / "broker"
    with EmbeddedBroker(folder) as broker:
        client = redis.Redis.from_url(broker.url)
        for number in range(KEYS):
            client.set(f"n{number}", "v" * number)
        with client.pipeline(transaction=True) as pipe:
            pipe.hset("h", "a", "1")
            pipe.hset("h", "b", "2")
            pipe.execute()
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "broker"))


def restart(folder: Path) -> tuple[list[int], bool, list[str]]:
    """Start a broker there: the numbers of the keys that it has, whether the transaction is there, what it said."""
    said: list[str] = []
    with EmbeddedBroker(folder, say=said.append) as broker:
        client = redis.Redis.from_url(broker.url, decode_responses=True)
        numbers = sorted(int(key[1:]) for key in client.keys("n*"))
        assert all(len(client.get(f"n{number}") or "") == number for number in numbers)
        return numbers, client.hgetall("h") == {"a": "1", "b": "2"}, said


def replace(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def cut_off(increment: Path, count: int) -> None:
    increment.write_bytes(increment.read_bytes()[:-count])


# (what happens to the file, how many keys are left, whether the transaction is)
DAMAGE: dict[str, tuple[Callable[[Path], object], int, bool]] = {
    "cut in its last command": (lambda file: cut_off(file, 3), KEYS, False),
    "cut in a transaction": (lambda file: cut_off(file, 40), KEYS, False),
    "zeros at its end": (lambda file: file.write_bytes(file.read_bytes() + ZEROS), KEYS, True),
    "zeros in its middle": (lambda file: replace(file, b"\r\nn30\r\n", b"\0" * 7), 30, False),
    "a command that nobody knows": (lambda file: replace(file, b"SET\r\n$3\r\nn30", b"SAT\r\n$3\r\nn30"), 30, False),
    "a command with a word too few": (
        lambda file: replace(file, b"*3\r\n$3\r\nSET\r\n$3\r\nn30", b"*2\r\n$3\r\nSET\r\n$3\r\nn30"),
        30,
        False,
    ),
    "a subcommand that nobody knows": (
        lambda file: replace(file, b"*3\r\n$3\r\nSET\r\n$3\r\nn30", b"*3\r\n$6\r\nXGROUP\r\n$3\r\nn30"),
        30,
        False,
    ),
    "a length that is none": (lambda file: replace(file, b"$30\r\n", b"$3x\r\n"), 30, False),
    "a length beyond its end": (lambda file: replace(file, b"$30\r\n", b"$99999999999\r\n"), 30, False),
    "nothing but noise": (lambda file: file.write_bytes(random.Random(1).randbytes(3000)), 0, False),
    "a snapshot in its place": (lambda file: file.write_bytes(file.with_name(BASE).read_bytes()), 0, False),
}


@pytest.fixture(scope="module")
def arities() -> Mapping[bytes, int]:
    return known_arities()


@pytest.mark.parametrize("name", DAMAGE)
def test_the_whole_part_ends_where_the_damage_begins(folder: Path, arities: Mapping[bytes, int], name: str) -> None:
    happens, keys, transaction = DAMAGE[name]
    increment = folder / FOLDER / INCREMENT
    happens(increment)
    damaged = increment.read_bytes()
    files = AppendOnlyFiles(folder, server_path())
    damage = files.find_damage(arities)
    assert damage is not None
    copy = files.cut(damage)
    kept = increment.read_bytes() if increment.exists() else b""
    assert damaged.startswith(kept)
    assert (kept.count(b"\r\nSET\r\n"), kept.endswith(b"EXEC\r\n")) == (keys, transaction)
    assert damage.lost_bytes == len(damaged) - len(kept)
    assert (copy / INCREMENT).read_bytes() == damaged
    assert files.find_damage(arities) is None, "once is enough"


IN_ONE_LINE = [
    "cut in a transaction",
    "a command that nobody knows",
    "a subcommand that nobody knows",
    "nothing but noise",
]


@pytest.mark.parametrize("name", IN_ONE_LINE)
def test_the_broker_comes_back_with_the_whole_part_and_tells_the_loss_in_one_line(folder: Path, name: str) -> None:
    happens, keys, transaction = DAMAGE[name]
    happens(folder / FOLDER / INCREMENT)
    numbers, has_transaction, said = restart(folder)
    assert (numbers, has_transaction) == (list(range(keys)), transaction)
    (copy,) = folder.glob(f"{FOLDER}.damaged-*")
    (line,) = said
    assert re.search(
        rf"damaged \({INCREMENT} at byte [\d,]+\): [\d,]+ bytes are lost, [\d,]+ are kept; .*{copy}$", line
    )
    assert restart(folder) == (numbers, has_transaction, []), "once is enough"


def test_what_is_left_of_a_file_is_what_the_servers_own_tool_would_leave(folder: Path, tmp_path: Path) -> None:
    tool = tmp_path / "valkey-check-aof"
    tool.symlink_to(server_path())
    whole = (folder / FOLDER / INCREMENT).read_bytes()
    draw, theirs = random.Random(7), tmp_path / INCREMENT
    for number in range(40):
        data = bytearray(whole[: draw.randrange(1, len(whole))]) if number % 2 else bytearray(whole)
        if number % 4 < 2:
            data[draw.randrange(len(data))] = draw.randrange(256)
        theirs.write_bytes(data)
        subprocess.run([tool, "--fix", theirs], input=b"y\n", capture_output=True, check=False)
        with io.BufferedReader(io.BytesIO(data)) as file:
            assert complete_length(file, len(data), AnyCommand()) == theirs.stat().st_size, number


class AnyCommand(dict[bytes, int]):
    """For a tool that knows no commands, every name is one."""

    def get(self, name: bytes, default: object = None) -> int:  # type: ignore[override]
        return -1


MANIFESTS: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: file.unlink(),
    "nonsense": lambda file: file.write_text("nonsense\n"),
    "binary": lambda file: file.write_bytes(b"\xff\xfe\0"),
    "empty": lambda file: file.write_text(""),
    "cut in a line": lambda file: file.write_text(file.read_text()[:-9]),
    "cut behind a line": lambda file: file.write_text(file.read_text().splitlines(keepends=True)[0]),
    "naming a stranger": lambda file: file.write_text("file ../../precious seq 1 type i\n"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_damaged_manifest_is_made_again_and_loses_nothing(
    folder: Path, arities: Mapping[bytes, int], name: str
) -> None:
    (precious := folder.parent / "precious").write_text("somebody else's")
    before = (folder / FOLDER / MANIFEST).read_text()
    MANIFESTS[name](folder / FOLDER / MANIFEST)
    files = AppendOnlyFiles(folder, server_path())
    assert files.is_manifest_wrong()
    damage = files.find_damage(arities)
    assert damage is not None
    files.cut(damage)
    assert (damage.where, damage.lost_bytes) == (f"{MANIFEST} could not be read", 0)
    assert (folder / FOLDER / MANIFEST).read_text() == before
    assert precious.read_text() == "somebody else's"


def test_a_broker_without_its_manifest_does_not_begin_anew_over_the_old_files(folder: Path) -> None:
    (folder / FOLDER / MANIFEST).unlink()
    numbers, transaction, said = restart(folder)
    assert (numbers, transaction, len(said)) == (list(range(KEYS)), True, 1)


def test_where_nothing_can_be_mended_a_broker_without_its_manifest_does_not_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / FOLDER / MANIFEST).unlink()
    before = {path.name: path.read_bytes() for path in (folder / FOLDER).iterdir()}

    def nothing_starts() -> Mapping[bytes, int]:
        raise StackError("no server starts here")

    monkeypatch.setattr("stack.broker.known_arities", nothing_starts)
    with pytest.raises(ProgramFailed):
        restart(folder)
    assert {path.name: path.read_bytes() for path in (folder / FOLDER).iterdir()} == before


def empty(file: Path) -> None:
    file.write_bytes(b"")


BASE_DAMAGE: list[Callable[[Path], object]] = [Path.unlink, lambda file: cut_off(file, 20), empty]


@pytest.mark.parametrize("happens", BASE_DAMAGE, ids=["gone", "cut", "empty"])
def test_the_empty_base_of_a_first_start_may_be_missed(folder: Path, happens: Callable[[Path], object]) -> None:
    happens(folder / FOLDER / BASE)
    numbers, transaction, said = restart(folder)
    assert (numbers, transaction, len(said)) == (list(range(KEYS)), True, 1)


@pytest.fixture
def rewritten(folder: Path) -> Path:
    """The same data in a base file, and two keys more behind it."""
    with EmbeddedBroker(folder) as broker:
        client = redis.Redis.from_url(broker.url)
        client.bgrewriteaof()
        while not list((folder / FOLDER).glob("*.2.base.rdb")):
            assert client.ping()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            assert client.ping()
        for number in (KEYS, KEYS + 1):
            client.set(f"n{number}", "v" * number)
    return folder


@pytest.mark.parametrize("happens", [lambda base: cut_off(base, 40), empty], ids=["cut", "empty"])
def test_without_its_base_nothing_is_whole_and_the_broker_starts_with_nothing(
    rewritten: Path, happens: Callable[[Path], object]
) -> None:
    base = rewritten / FOLDER / "appendonly.aof.2.base.rdb"
    happens(base)
    numbers, transaction, said = restart(rewritten)
    assert (numbers, transaction) == ([], False)
    (copy,) = rewritten.glob(f"{FOLDER}.damaged-*")
    assert base.name in said[0]
    assert (copy / base.name).exists()
    assert len(list(copy.iterdir())) == 3


def test_a_base_that_the_manifest_does_not_list_yet_is_no_damage_though_it_is_empty(folder: Path) -> None:
    empty(folder / FOLDER / "appendonly.aof.2.base.rdb")
    assert restart(folder) == (list(range(KEYS)), True, [])


def test_damage_before_the_last_file_ends_the_whole_part_there(rewritten: Path) -> None:
    files = rewritten / FOLDER
    (increment,) = files.glob("*.incr.aof")
    later = files / "appendonly.aof.9.incr.aof"
    shutil.copy(increment, later)
    with (files / MANIFEST).open("a") as manifest:
        manifest.write(f"file {later.name} seq 9 type i\n")
    replace(increment, b"SET\r\n$3\r\nn61", b"SAT\r\n$3\r\nn61")
    numbers, transaction, said = restart(rewritten)
    assert (numbers, transaction, len(said)) == (list(range(KEYS + 1)), True, 1)
    assert not later.exists()


def test_a_snapshot_of_a_later_version_is_not_damage(rewritten: Path) -> None:
    base = rewritten / FOLDER / "appendonly.aof.2.base.rdb"
    data = base.read_bytes()
    base.write_bytes(data[:6] + b"999" + data[9:])
    with pytest.raises(StackError, match="later version"):
        restart(rewritten)
    assert base.exists()
    assert not list(rewritten.glob(f"{FOLDER}.damaged-*"))


def test_without_room_for_the_copy_nothing_is_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(increment := folder / FOLDER / INCREMENT, 3)
    damaged = increment.read_bytes()

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", no_room)
    with pytest.raises(StackError, match="No space left"):
        restart(folder)
    assert increment.read_bytes() == damaged


def test_a_whole_file_is_never_cut_whatever_else_keeps_the_server_from_starting(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (folder / FOLDER / INCREMENT).read_bytes()
    monkeypatch.setattr("stack.broker.command", lambda folder, port: ["/bin/false"])
    with pytest.raises(ProgramFailed):
        restart(folder)
    assert (folder / FOLDER / INCREMENT).read_bytes() == whole
    assert not list(folder.glob(f"{FOLDER}.damaged-*"))
