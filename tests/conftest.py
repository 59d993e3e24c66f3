"""Give every area's tests a real broker of their own, and settings that point at it."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import redis

from shared.broker.connection import connect
from shared.jobs.blob_references import BlobReferences
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from stack.broker import EmbeddedBroker
from tests.fork_server import ForkServer
from tests.servers import S3Server, s3_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHECKPOINT_TIMEOUT_S = 300.0

# The cores belong to several processes, of tests and of servers: a second thread would mostly wait for the first one.
# Read when torch is first imported, here and in whatever is started from here.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Hundreds of interpreters start in a run: what one of them has compiled, the others only read.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Other tests, and servers, on this machine have decoders of their own.
decoder_slots = tempfile.TemporaryDirectory(prefix="ostinato-test-decoders-")  # until this process ends
os.environ["DECODER_SLOTS_PATH"] = decoder_slots.name

# `make test-long` runs the same properties over many more cases
hypothesis.settings.register_profile("short", max_examples=40)
hypothesis.settings.register_profile("long", max_examples=1600)
hypothesis.settings.load_profile("short")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name each failure when it happens: a run that is ended before its summary has then said what was wrong."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(
            f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext[-1500:]}", file=sys.__stderr__, flush=True
        )


@pytest.fixture(autouse=True)
def seeded_random_tensors() -> None:
    """Draw the same random tensors in each run, whichever tests this process ran before."""
    if "torch" in sys.modules:  # imported for the first time by the test itself, it begins with a seed of its own
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """Run one real server per test process."""
    with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Run one S3 server per test process. Whoever stops it starts it again."""
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Run the server that workers are forked from which need not show how they boot."""
    with ForkServer(tmp_path_factory.mktemp("fork_server")) as fork_server:
        yield fork_server


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """Make a random checkpoint of the shipped model's shape, by the script in a process of its own."""
    folder = tmp_path_factory.mktemp("checkpoint")
    command = [sys.executable, "-m", "tools.random_checkpoint", "--shape", "tiny", str(folder / "tiny")]
    with (folder / "log").open("wb") as log:
        made = fork_server.spawn(command, output=log)
    assert made.wait(CHECKPOINT_TIMEOUT_S) == 0, (folder / "log").read_text()
    return folder / "tiny"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the Python package as `make dist` does, and let the checkers judge it."""
    from tools import dist

    folder = built_once(tmp_path_factory, "python_dist", lambda out: dist.check_python(*dist.build_python(out)))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the JavaScript package as `make dist` does."""
    from tools import dist

    return next(built_once(tmp_path_factory, "npm_dist", dist.build_npm).glob("*.tgz"))


def built_once(tmp_path_factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """Return a folder of this run that the first of its processes has built into."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            begun.mkdir(exist_ok=True)
            build(begun)
            begun.rename(folder)
    return folder


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The program that writes m4a and aac here."""
    from shared.audio.ffmpeg import find_ffmpeg

    found = find_ffmpeg(None)
    assert found is not None, "requirements/embedded.txt brings one"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Open a headless Chromium for one module: while it is open, no test in this process can use asyncio.run."""
    from tests.browser.chromium import open_chromium

    with open_chromium() as chromium:
        yield chromium


@pytest.fixture
def make_settings(broker: EmbeddedBroker, tmp_path: Path) -> Callable[..., Settings]:
    """Make settings for this test alone, whatever the environment says, and empty the broker that they name."""
    with closing(redis.Redis.from_url(broker.url)) as connection:
        connection.flushdb()

    def make(**changes: Any) -> Settings:
        fields: dict[str, Any] = {
            "redis_url": broker.url,
            "local_storage_path": tmp_path / "audio",
            "default_model": "tiny",
        }
        return Settings(_env_file=None, **(fields | changes))

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    """Connect to an empty database."""
    connection = connect(settings)
    yield connection
    connection.close()


@pytest.fixture
def store(client: redis.Redis, settings: Settings) -> JobStore:
    return JobStore(client, settings)


@pytest.fixture
def blob_references(client: redis.Redis) -> BlobReferences:
    return BlobReferences(client)


@pytest.fixture
def request_for() -> Callable[..., MusicRequest]:
    """Make a valid request, changed as the test likes."""

    def make(**changes: Any) -> MusicRequest:
        return MusicRequest.model_validate({"prompt": "calm piano", "model": "tiny"} | changes)

    return make
