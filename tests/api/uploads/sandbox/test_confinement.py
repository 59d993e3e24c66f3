"""What holds a decoder that a file has taken over: each layer alone against a probe in its place, and all together."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from api.uploads import decoder as melody
from api.uploads.decoder import decode_melody
from api.uploads.sandbox import boot_check, confinement, seccomp_filter
from api.uploads.sandbox.confinement import LAYERS
from api.uploads.sandbox.process_control import Unsupported
from stack.broker import EmbeddedBroker
from tests.api.uploads.corpus import KINDS, SECONDS, recording
from tests.api.uploads.test_decoder import refusal_of, settings
from tests.audio_fixtures import contained, file_of, tone

ROOT = Path(melody.__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0
IMPORT = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"

FILES = {"read the server's environment", "read .env", "read another account's file", "write a file", "remove a file"}
SOCKETS = {"talk to Redis", "listen on TCP", "send over UDP", "talk to a Unix socket", "talk to an abstract socket"}
DESCRIPTORS = {"make a file in memory", "queue calls in io_uring", "watch memory by userfaultfd"}
OTHERS = {"signal another process", "trace another process"}
NAMES = {"change a file's mode", "look whether a file is there"}
STARTS = {"fork", "start a thread"}
ITSELF = {"read the keyring", "map memory as code", "raise its limits", "become root", "make a user namespace"}
ALL = FILES | SOCKETS | DESCRIPTORS | OTHERS | NAMES | STARTS | ITSELF
STOPS = {
    "uid": FILES | OTHERS | NAMES | {"talk to a Unix socket", "become root"},
    "no_new_privs": set(),  # what it stops needs a set-user-ID program: a test of its own
    "landlock_files": FILES | {"trace another process"},
    "landlock_tcp": {"talk to Redis", "listen on TCP", "trace another process"},
    "landlock_scope": {"talk to an abstract socket", "signal another process", "trace another process"},
    "descriptors": FILES - {"remove a file"} | SOCKETS | DESCRIPTORS,
    "seccomp": ALL,
}


@pytest.fixture
def targets(tmp_path: Path, broker: EmbeddedBroker) -> Iterator[dict[str, Any]]:
    """What is there to be reached: the server's own files as their owner alone may read them, sockets, a process."""
    for name in ("dotenv", "stored", "removable"):
        (tmp_path / name).write_bytes(b"secret")
        (tmp_path / name).chmod(0o600)
    abstract = f"\0ostinato-test-{os.getpid()}"
    with (
        socket.socket(socket.AF_UNIX) as door,
        socket.socket(socket.AF_UNIX) as nameless,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim,
        tempfile.TemporaryDirectory() as short,  # a socket's path may have 107 characters
    ):
        door.bind(f"{short}/door")
        nameless.bind(abstract)
        door.listen()
        nameless.listen()
        yield {name: str(tmp_path / name) for name in ("dotenv", "stored", "removable", "new")} | {
            "redis_port": int(broker.url.rpartition(":")[2].partition("/")[0]),
            "unix": f"{short}/door",
            "abstract": abstract,
            "victim": victim.pid,
        }
        victim.kill()


@pytest.fixture
def probed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, targets: dict[str, Any]
) -> Callable[[str], tuple[dict[str, str], dict[str, str]]]:
    """What becomes of each attempt after that code in the decoder's place; and what the code calls `missing`."""

    def run(code: str) -> tuple[dict[str, str], dict[str, str]]:
        script = tmp_path / "child.py"
        source = (ROOT / "tests/api/uploads/sandbox/sandbox_probe.py").read_text()
        script.write_text(
            f"{source}\nimport json, sys\nsys.path.insert(0, {str(ROOT)!r})\ntargets = {targets!r}\n{code}\n"
            "print(json.dumps([probe(targets), missing]), flush=True)\nos._exit(0)\n"
        )
        monkeypatch.setattr(melody, "CHILD", script)
        monkeypatch.setattr(melody, "_read_output", lambda code, answer: json.load(answer))
        ended, missing = decode_melody(io.BytesIO(b"anything"), settings())
        return ended, missing

    return run


CHECK = "import json; print(json.dumps(confinement.missing_layers()))"


def entering(*layers: str) -> str:
    return f"from api.uploads.sandbox.confinement import enter\nmissing = enter({layers!r})"


def test_the_probe_does_all_that_it_tries_where_nothing_stops_it(
    probed: Callable[[str], tuple[dict[str, str], dict[str, str]]],
) -> None:
    ended, _ = probed("missing = {}")
    assert set(ended) == ALL
    left = {name: how for name, how in ended.items() if how != "done"}
    # what the machine itself may refuse, and what only root can do
    assert left.keys() <= DESCRIPTORS | {"read the keyring", "make a user namespace", *([] if AS_ROOT else ITSELF)}, (
        left
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_alone_stops_what_it_is_for(
    probed: Callable[[str], tuple[dict[str, str], dict[str, str]]], layer: str
) -> None:
    ended, missing = probed(entering(layer))
    if layer in missing:
        assert missing[layer]
    else:
        assert {name for name in STOPS[layer] if ended[name] == "done"} == set()


def test_a_decoder_that_was_taken_over_reaches_nothing(
    probed: Callable[[str], tuple[dict[str, str], dict[str, str]]],
) -> None:
    ended, _ = probed(
        "from api.uploads import decoder_process as child\nmissing = {}\n"
        "child.confine(child.Limits(**json.loads(sys.argv[1])))"
    )
    held = set[str]().union(*(STOPS[layer] for layer in LAYERS.keys() - boot_check.missing_layers().keys()))
    assert {name for name, how in ended.items() if how == "done"} <= ALL - held


def run_after(enter: str, code: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", f"{IMPORT}import os\n{enter}\n{code}"]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("layer", ["landlock_files", "seccomp"])
def test_no_program_can_be_executed(layer: str) -> None:
    execute = "os.execv('/bin/sh', ['sh', '-c', 'echo executed'])"
    assert run_after("", execute).stdout == "executed\n"
    tried = run_after(entering(layer), f"if missing: raise PermissionError(missing)\n{execute}")
    assert (tried.stdout, "PermissionError" in tried.stderr) == ("", True)


def test_without_new_privileges_a_set_user_id_program_makes_nobody_root() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(shutil.which("id") or "/usr/bin/id", folder)
        os.chmod(program, 0o4755)
        execute = f"os.execv({program!r}, ['id', '-u'])"
        before = run_after(entering("uid"), execute).stdout.strip()
        after = run_after(entering("uid", "no_new_privs"), execute).stdout.strip()
    assert before == str(os.geteuid())
    assert (after != before) == AS_ROOT


def test_a_decoder_ends_with_its_server() -> None:
    pid = "import os\npid = os.getpid()"  # a call that the filter denies
    child = f"{IMPORT}{pid}\n{entering(*LAYERS)}\nos.write(1, b'%d\\n' % pid)\nsys.stdin.read()"
    server = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        decoder = int(process.stdout.readline())
        assert psutil.pid_exists(decoder)
        process.kill()
        if sys.platform == "linux":
            assert process.stdout.read() == ""  # ends when nobody has it open any more


DECODE_ALL = """
import base64, json, tempfile
from api.uploads import decoder_process as child
uploads = {kind: base64.b64decode(data) for kind, data in json.load(sys.stdin).items()}
limits = child.Limits(melody_s=60, memory_bytes=1 << 30, run_s=60, output_bytes=1 << 24)
with tempfile.TemporaryFile() as scratch:
    child.confine(limits)
    answers = {kind: child.respond(data, limits, scratch)[1] for kind, data in uploads.items()}
    try: open("/")
    except OSError: pass
    else: sys.exit("not confined")
print(json.dumps({kind: json.loads(answer.partition(b"\\n")[0]) for kind, answer in answers.items()}))
"""


def test_every_format_decodes_in_the_sandbox() -> None:
    """In one process: what one of them needed from outside would be missing for it, whatever came before."""
    uploads = {kind: base64.b64encode(recording(kind)).decode() for kind in KINDS}
    said = run_after("", DECODE_ALL, json.dumps(uploads))
    assert said.returncode == 0, said.stderr
    heard = json.loads(said.stdout)
    assert {kind: answer for kind, answer in heard.items() if abs(answer.get("seconds", 0.0) - SECONDS) > 0.1} == {}
    assert heard.keys() == set(KINDS)


OLD_KERNEL = """
import os
from api.uploads.sandbox import landlock, process_control, seccomp_filter
landlock.CREATE_RULESET = 5000  # no kernel has so many calls: it answers as one before Landlock does
seccomp_filter.ARCHITECTURES = {}
process_control.PR_SET_NO_NEW_PRIVS = 5000
def refused(groups): raise PermissionError(1, "Operation not permitted")
os.setgroups = refused
"""


def test_a_missing_layer_is_named_and_breaks_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = run_after(f"from api.uploads.sandbox import confinement\n{OLD_KERNEL}", CHECK)
    missing = json.loads(said.stdout)
    assert missing.keys() == LAYERS.keys() - {"descriptors"}  # which needs no kernel of any age
    assert missing["landlock_files"] == missing["landlock_tcp"] == "Landlock is not in this kernel"
    assert "the filter knows" in missing["seccomp"]
    script = tmp_path / "child.py"
    script.write_text(
        f"{IMPORT}{OLD_KERNEL}from api.uploads import decoder_process\nsys.exit(decoder_process.main())\n"
    )
    monkeypatch.setattr(melody, "CHILD", script)
    for upload in (file_of(tone(), 32_000), contained(tone(), 32_000, "ipod", "aac")):
        assert decode_melody(io.BytesIO(upload), settings()).seconds == pytest.approx(1.0, abs=0.1)


MAC = """
import sys
from api.uploads import decoder_process
sys.platform = "darwin"
"""


def test_on_a_mac_uploads_are_decoded_under_what_any_unix_offers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = run_after(f"{MAC}\nfrom api.uploads.sandbox import confinement", CHECK)
    missing = json.loads(said.stdout)
    assert missing.keys() == LAYERS.keys() - {"descriptors"} - ({"uid"} if AS_ROOT else set())
    assert all("darwin has no" in missing[layer] for layer in missing.keys() - {"uid"})
    script = tmp_path / "child.py"
    script.write_text(f"{IMPORT}{MAC}sys.exit(decoder_process.main())\n")
    monkeypatch.setattr(melody, "CHILD", script)
    for upload in (file_of(tone(), 32_000), contained(tone(), 32_000, "ipod", "aac")):
        assert decode_melody(io.BytesIO(upload), settings()).seconds == pytest.approx(1.0, abs=0.1)


def test_on_a_mac_a_decoder_whose_server_is_gone_ends_at_its_time_limit() -> None:
    """No signal of the kernel's there: the limits, which are the decoder's own, end it."""
    limits = "decoder_process.Limits(melody_s=1, memory_bytes=1 << 30, run_s=1, output_bytes=1 << 20)"
    steps = f"import os, time; decoder_process.confine({limits}); os.write(1, b'%d\\n' % os.getpid()); time.sleep(60)"
    decoder = f"{IMPORT}{MAC}{steps}"
    server = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {decoder!r}])"
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
        assert psutil.pid_exists(pid)
        begun = time.monotonic()
        assert process.stdout.read() == b"", "it ends when nobody has it open any more"
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_that_can_be_entered_and_stops_nothing_counts_as_missing(layer: str) -> None:
    lie = f"layers = confinement.LAYERS; layers[{layer!r}] = layers[{layer!r}]._replace(enter=lambda: None)"
    said = run_after(f"from api.uploads.sandbox import confinement\n{lie}", CHECK)
    assert json.loads(said.stdout)[layer] == "it could be entered, but stopped nothing"


@pytest.mark.parametrize(("abi", "missing"), [(1, {"tcp", "scope"}), (4, {"scope"}), (6, set())])
def test_an_older_landlock_is_entered_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch, abi: int, missing: set[str]
) -> None:
    handled = []
    monkeypatch.setattr("api.uploads.sandbox.landlock.sys.platform", "linux")
    monkeypatch.setattr("api.uploads.sandbox.landlock.libc", type("Kernel", (), {"syscall": lambda *_: abi}))
    monkeypatch.setattr("api.uploads.sandbox.landlock._restrict", handled.append)
    lacking = dict[str, str]()
    for name in ("files", "tcp", "scope"):
        try:
            getattr(confinement.landlock, f"restrict_{name}")()
        except Unsupported as reason:
            lacking[name] = str(reason)
    assert lacking.keys() == missing
    assert all(f"ABI is {abi}" in reason for reason in lacking.values())
    assert handled[0].files == {1: 0x1FFF, 4: 0x7FFF, 6: 0xFFFF}[abi]


def test_what_runs_when_the_layers_are_entered_is_one_thread() -> None:
    """Landlock and seccomp hold the thread that enters them: none of the libraries may have started another."""
    said = run_after("", "from api.uploads import decoder_process; print(len(os.listdir('/proc/self/task')))")
    assert said.stdout == "1\n"


# The filter itself, also for the processor that this is not


def verdict(program: bytes, architecture: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What the kernel would make of a call: the five instructions of classic BPF that the filter uses."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", program))
    at, word = 0, 0
    while True:
        code, if_true, if_false, constant = steps[at]
        if code == seccomp_filter.RETURN:
            return constant
        if code == seccomp_filter.LOAD:
            (word,) = struct.unpack_from("=I", data, constant)
            at += 1
        else:
            compare = {
                seccomp_filter.JUMP_IF_EQUAL: word == constant,
                seccomp_filter.JUMP_IF_NOT_LESS: word >= constant,
                seccomp_filter.JUMP_IF_BITS: bool(word & constant),
            }
            at += 1 + (if_true if compare[code] else if_false)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_allows_what_is_listed_and_nothing_else(machine: str) -> None:
    program, architecture = seccomp_filter.filter_for(machine), seccomp_filter.ARCHITECTURES[machine]
    column = list(seccomp_filter.ARCHITECTURES).index(machine)
    listed = {numbers[column] for numbers in seccomp_filter.CALLS.values()} - {None}
    special = {"mmap": (9, 222), "mprotect": (10, 226), "newfstatat": (262, 79)}
    mmap, mprotect, stat = (numbers[column] for numbers in special.values())
    for number in set(range(600)) - {mmap, mprotect, stat}:
        expected = seccomp_filter.ALLOW if number in listed else seccomp_filter.DENY
        assert verdict(program, architecture, number) == expected, number
    for number in (mmap, mprotect):
        assert verdict(program, architecture, number, (0, 4096, 3)) == seccomp_filter.ALLOW
        assert verdict(program, architecture, number, (0, 4096, 5)) == seccomp_filter.DENY
    assert verdict(program, architecture, stat, (3, 0, 0, 0x1000)) == seccomp_filter.ALLOW
    assert verdict(program, architecture, stat, (3, 0, 0, 0)) == seccomp_filter.DENY


def test_calls_by_another_architectures_numbers_end_the_process() -> None:
    for machine, architecture in seccomp_filter.ARCHITECTURES.items():
        program = seccomp_filter.filter_for(machine)
        assert verdict(program, 0x40000003, 1) == seccomp_filter.KILL  # i386
        assert verdict(program, architecture, 0x40000000) == seccomp_filter.KILL  # x32
    with pytest.raises(Unsupported, match="riscv64"):
        seccomp_filter.filter_for("riscv64")


# Who is told


def test_the_boot_log_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for missing, level in [({}, "INFO"), ({"uid": "not root"}, "INFO"), ({"seccomp": "none here"}, "WARNING")]:
        monkeypatch.setattr(boot_check, "missing_layers", lambda missing=missing: missing)
        with caplog.at_level(logging.INFO):
            caplog.clear()
            boot_check.log_missing_layers()
        assert [record.levelname for record in caplog.records] == [level]
        assert all(f"{layer} ({reason})" in caplog.text for layer, reason in missing.items())


def test_what_could_not_be_tried_is_told_as_missing_and_entered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_check, "_tried", boot_check._tried.__wrapped__)
    with monkeypatch.context() as nowhere:
        nowhere.setattr(boot_check.sys, "executable", "/nowhere/python")
        assert boot_check.missing_layers() == dict.fromkeys(LAYERS, boot_check.UNKNOWN)
        assert boot_check.usable_layers() == list(LAYERS)


def test_the_check_finds_here_what_the_layers_say_here() -> None:
    said = run_after("", f"{entering(*LAYERS)}\nimport json; print(json.dumps(missing))")
    assert boot_check.missing_layers() == json.loads(said.stdout)


def test_a_layer_that_stops_everything_counts_as_missing_and_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    emulated = (
        "from api.uploads.sandbox import seccomp_filter as f\n"
        "f.ARCHITECTURES = dict.fromkeys(f.ARCHITECTURES, 0x40000003)"
    )
    said = run_after(f"from api.uploads.sandbox import confinement\n{emulated}", CHECK)
    assert json.loads(said.stdout)["seccomp"] == "the process that tried it ended without an answer"
    monkeypatch.setattr(boot_check, "_tried", lambda: {"seccomp": "it ends everything"})
    script = tmp_path / "child.py"
    script.write_text("import json, sys\nprint(json.dumps({'error': sys.argv[1]}))\nsys.exit(2)")
    monkeypatch.setattr(melody, "CHILD", script)
    layers = json.loads(refusal_of(b"anything")["message"])["layers"]
    assert layers == [layer for layer in LAYERS if layer != "seccomp"]
