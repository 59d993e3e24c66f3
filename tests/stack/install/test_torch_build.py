"""The CPU's build of torch is for Linux machines without an NVIDIA driver, if its index answers in time."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.install.failures import BAD_CERTIFICATE, NO_NETWORK, NO_SPACE, InstallFailed
from stack.install.torch_build import Build, Machine, address_of, choose, chosen_by_hand, why_unreachable

DRIVERS = [
    "proc/driver/nvidia/version",
    "usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "usr/lib64/libcuda.so.570.86",
    "usr/lib/wsl/lib/libcuda.so.1",
]


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave a folder without programs as the only one: this machine may have a GPU."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.mark.parametrize("file", DRIVERS)
def test_a_driver_is_known_by_its_files(tmp_path: Path, file: str) -> None:
    machine = Machine("linux", tmp_path)
    assert not machine.has_nvidia_driver()
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    assert machine.has_nvidia_driver()


@pytest.mark.parametrize(("code", "found"), [(0, True), (9, False)])
def test_a_driver_is_known_by_its_program_if_that_finds_it_working(
    tmp_path: Path, no_programs: Path, code: int, found: bool
) -> None:
    (no_programs / "nvidia-smi").write_text(f"#!/bin/sh\nexit {code}\n")
    (no_programs / "nvidia-smi").chmod(0o755)
    assert Machine("linux", tmp_path).has_nvidia_driver() is found


def test_a_mac_has_one_build_and_no_index_is_asked(tmp_path: Path) -> None:
    mac = Machine("darwin", tmp_path)
    assert choose(mac, "http://127.0.0.1:9") == (Build.USUAL, "")
    assert chosen_by_hand(mac, cpu=True, cuda=False) is None
    with pytest.raises(InstallFailed, match="no CUDA build for darwin; leave it out"):
        chosen_by_hand(mac, cpu=False, cuda=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(tmp_path))

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_index_is_reached_over_http_or_in_a_folder_if_it_has_torch(tmp_path: Path, site: str) -> None:
    assert why_unreachable(site) == "HTTP 404"
    assert "No such file" in why_unreachable(address_of(str(tmp_path)))
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "index.html").touch()
    assert why_unreachable(site) == why_unreachable(address_of(str(tmp_path))) == ""


def test_an_index_that_does_not_answer_is_given_up_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        reason = why_unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.3)
    assert "timed out" in reason or "no answer" in reason
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    "line",
    [
        "error: Failed to fetch: `https://index.example/simple/torch/`\n  Caused by: error sending request for url\n"
        "  Caused by: dns error: failed to lookup address information: Temporary failure in name resolution",
        "  Caused by: tcp connect error: Connection refused (os error 111)",
        "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError: [Errno 101] Network is "
        "unreachable'",
        "pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool(host='x'): Read timed out.",
    ],
)
def test_what_installers_say_without_a_network_is_understood(line: str) -> None:
    assert NO_NETWORK.search(line)
    assert not NO_SPACE.search(line)
    assert not BAD_CERTIFICATE.search(line)


@pytest.mark.parametrize(
    "line",
    [
        "error: Failed to fetch: `https://index.example/simple/torch/`\n  Caused by: error sending request for url\n"
        "  Caused by: client error (Connect)\n  Caused by: invalid peer certificate: UnknownIssuer",
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: "
        "CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain "
        "(_ssl.c:1006)'))': /simple/torch/",
    ],
)
def test_what_installers_say_of_a_certificate_is_understood(line: str) -> None:
    assert BAD_CERTIFICATE.search(line)


@pytest.mark.parametrize(
    "line",
    [
        "error: Failed to install: torch-2.11.0.whl\n  Caused by: No space left on device (os error 28)",
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "OSError: [Errno 122] Disk quota exceeded",
    ],
)
def test_what_installers_say_on_a_full_disk_is_understood(line: str) -> None:
    assert NO_SPACE.search(line)
    assert not NO_NETWORK.search(line)
