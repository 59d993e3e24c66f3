"""The operator's commands, as they are typed, against a real broker."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from shared.admin.audit_log import AuditLog
from shared.errors import GenerationFailed
from shared.jobs.blob_references import BlobReferences
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import ROOT, Settings, read_environment
from shared.storage import LocalStorage
from shared.workers.registry import WorkerRegistry
from stack.broker import EmbeddedBroker, address_in
from stack.operate import main
from stack.ports import free_port
from stack.running import RECORD_FILE, recorded
from stack.services import Services, StackSettings
from tests.api.conftest import TINY
from tests.submitting import submit_job

pytestmark = pytest.mark.slow


@pytest.fixture
def operate(
    client: redis.Redis,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """Type a command; its exit status and what it printed."""
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    monkeypatch.setenv("LOCAL_STORAGE_PATH", str(tmp_path / "audio"))
    monkeypatch.chdir(tmp_path)

    def operate(line: str) -> tuple[int, str]:
        status = main(line.split())
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return operate


def test_checking_says_what_each_part_is_and_what_is_wrong_with_it(
    operate: Callable[..., tuple[int, str]], client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, text = operate("check")
    assert status == 0
    assert "evicts nothing" in text
    assert "can be written" in text
    assert "GB/s" in text, "of the kernels that this CPU takes"
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        status, text = operate("check")
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    assert (status, "allkeys-lru" in text) == (1, True)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    status, text = operate("check")
    assert status == 1
    assert "FAULT the broker" in text
    monkeypatch.setenv("KERNELS", "avx1024")
    status, text = operate("check")
    assert (status, "FAULT KERNELS=avx1024: this CPU runs the kernels" in text) == (1, True)
    monkeypatch.setenv("LEASE_S", "soon")
    status, text = operate("check")
    assert (status, "LEASE_S" in text) == (1, True)


def test_a_store_that_another_installation_has_signed_is_told_and_can_be_adopted(
    blob_references: BlobReferences, operate: Callable[..., tuple[int, str]], store: JobStore, tmp_path: Path
) -> None:
    """As after Redis was emptied: what lies there is known to nobody any more."""
    storage = LocalStorage(tmp_path / "audio")
    storage.claim()
    assert "see `adopt`" not in operate("check")[1]
    storage.sign("the one before", blob_references.installation())
    status, text = operate("check")
    assert (status, "another Ostinato's, too: see `adopt`" in text) == (0, True)
    status, text = operate("adopt")
    assert (status, str(tmp_path / "audio" / "ostinato") in text) == (0, True)
    assert storage.installations() == (blob_references.installation(),)
    assert "see `adopt`" not in operate("check")[1]
    (tmp_path / "audio" / "ostinato" / ".ostinato").write_text("somebody else's")
    assert operate("adopt")[0] == 1


def test_draining_waits_until_nothing_runs_there(
    operate: Callable[..., tuple[int, str]],
    client: redis.Redis,
    settings: Settings,
    store: JobStore,
    request_for: Callable[..., MusicRequest],
) -> None:
    assert operate("drain w1")[0] == 1, "nobody is called so"
    WorkerRegistry(client, settings).announce(TINY)
    submit_job(store, request_for(), "tiny", account="local", source="tasks")
    job = store.claim("tiny", "w1")
    assert job is not None
    assert "w1  tiny  runs 1  ready" in operate("workers")[1]
    leaving = threading.Event()

    def leave() -> None:
        leaving.set()
        store.requeue(job)

    threading.Timer(1.0, leave).start()
    assert operate("drain w1 --wait")[0] == 0
    assert leaving.is_set(), "it did not wait"
    assert "w1  tiny  runs 0  drained" in operate("workers")[1]
    operate("undrain w1")
    assert not store.reader.is_drained("w1")


def test_dead_letters_are_listed_run_again_and_dropped(
    operate: Callable[..., tuple[int, str]],
    client: redis.Redis,
    store: JobStore,
    request_for: Callable[..., MusicRequest],
) -> None:
    ids = [submit_job(store, request_for(), "tiny", account="local", source="tasks").id for _ in range(2)]
    for number in range(6):
        job = store.claim("tiny", f"w{number}")
        assert job is not None
        client.zadd("ostinato:leases", {job.id: 1})
        store.reap()
    status, text = operate("dead list")
    assert status == 0
    assert all(job_id in text for job_id in ids)
    assert f"{ids[0]} runs again as" in operate(f"dead requeue {ids[0]}")[1]
    assert store.reader.waiting() == {"tiny": 1}
    operate(f"dead drop {ids[1]}")
    assert operate("dead list")[1] == ""
    assert operate("dead drop unknown")[0] == 1
    entries = AuditLog(client).latest(10)
    assert [(entry.action, entry.target, entry.outcome) for entry in entries] == [
        ("drop", "unknown", "refused"),
        ("drop", ids[1], "done"),
        ("requeue", ids[0], "done"),
    ]


def test_a_failed_job_runs_again_once_and_that_is_in_the_audit_log(
    operate: Callable[..., tuple[int, str]],
    client: redis.Redis,
    store: JobStore,
    request_for: Callable[..., MusicRequest],
) -> None:
    submit_job(store, request_for(), "tiny")
    while (job := store.claim("tiny", "w1")) is not None:
        store.fail(job, GenerationFailed("no music"))
        failed = job.id
    status, text = operate(f"retry {failed}")
    assert (status, store.reader.waiting()) == (0, {"tiny": 1})
    copy = store.reader.get(failed).retried_as
    assert text == f"{failed} runs again as {copy}\n"
    status, text = operate(f"retry {failed}")
    assert (status, f"has run again already, as {copy}" in text) == (1, True)
    assert [(entry.action, entry.outcome) for entry in AuditLog(client).latest(10)] == [
        ("retry", "refused"),
        ("retry", "done"),
    ]


def test_beside_make_up_a_command_finds_its_broker(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, "STATE_FOLDER": str(tmp_path), "LOCAL_STORAGE_PATH": str(tmp_path / "audio")}
    command = [sys.executable, "-m", "stack.with_broker", "api.keys", "list"]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    with EmbeddedBroker(tmp_path / "broker") as broker:
        assert address_in(tmp_path / "broker") == broker.url
        found = run()
        assert found.returncode == 0, found.stderr
    assert address_in(tmp_path / "broker") is None
    assert "the broker (Redis) does not answer" in run().stderr


class Stack:
    """Play `make up`: its folder and its settings; no service runs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.audio = folder, folder / "audio"

    def check(self, **shell: str) -> tuple[int, str]:
        """Type `make operate ARGS=check` in a shell that has only these variables."""
        environment = {"PATH": os.defpath, "STATE_FOLDER": str(self.folder), **shell}
        command = [sys.executable, "-m", "stack.with_broker", "stack.operate", "check"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def settings(self, **given: object) -> StackSettings:
        return read_environment(
            StackSettings, state_folder=self.folder, local_storage_path=self.audio, port=free_port(), **given
        )


def test_checking_beside_a_running_stack_checks_its_settings_and_not_the_shells(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    served = stack.settings(model="tiny", default_model="tiny", model_checkpoints={"mine": "/data/mine"}, lease_s=33)
    with EmbeddedBroker(tmp_path / "broker"), recorded(Services(served, None, {})):
        status, text = stack.check(LEASE_S="44", LOCAL_STORAGE_PATH="/nowhere")
        assert f"settings of the stack that runs here (process {os.getpid()})" in text
        assert "this shell says otherwise of " in text
        assert "LEASE_S" in text
        assert "models   tiny\n" in text
        assert f"{stack.audio / 'ostinato'} can be written" in text
        assert f"api      FAULT {Services(served, None, {}).url}: the API is starting" in text
        assert status == 1
        elsewhere = stack.check(REDIS_URL="redis://127.0.0.1:1/0")[1]
        assert "settings of this shell: no stack of `make up` runs in" in elsewhere
        assert "settings FAULT bad settings: LEASE_S" in stack.check(LEASE_S="soon")[1]
    assert "settings of this shell" in stack.check()[1]


def test_secrets_are_not_written_down_and_one_that_the_shell_lacks_is_named(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    webhook = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    secrets = {"s3_secret_key": "s3cr3t-key", "webhook_secret": webhook, "api_keys": "k3y-of-keys"}
    password = "br0ker-word"
    with recorded(Services(stack.settings(**secrets), f"redis://:{password}@127.0.0.1:1/0", {})):
        record = stack.folder / RECORD_FILE
        assert not [each for each in (*secrets.values(), password) if each in record.read_text()]
        assert record.stat().st_mode & 0o077 == 0
        text = stack.check()[1]
        assert (
            "FAULT API_KEYS, S3_SECRET_KEY, WEBHOOK_SECRET, REDIS_URL: set where the stack runs, and not kept" in text
        )
        shell = {name.upper(): value for name, value in secrets.items()}
        given = stack.check(**shell, REDIS_URL=f"redis://:{password}@127.0.0.1:1/0")[1]
        assert "settings of the stack that runs here" in given
        assert "broker   FAULT the broker" in given
    assert not record.exists()
