"""What ships to production names its versions, has no default secret and keeps the promises about the broker."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.music.catalog import Catalog
from shared.settings import ROOT, Settings
from stack.install import requirement_lists
from stack.install.torch_build import CPU_INDEX
from worker.engine.native.build import compiled_path

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
WORKERS = [name for name in SERVICES if name.startswith("worker-")]
DOCKERFILES = ["api.Dockerfile", "worker.Dockerfile", "worker-cpu.Dockerfile"]


def test_every_image_from_elsewhere_is_pinned_to_a_full_version() -> None:
    for name in ("broker", "store"):
        assert re.search(r":\d+\.\d+", SERVICES[name]["image"]), name


def test_compose_refuses_to_start_without_keys_and_has_none_of_its_own() -> None:
    for variable in re.findall(r"\$\{(S3_(?:ACCESS|SECRET)_KEY[^}]*)\}", (ROOT / "docker-compose.yml").read_text()):
        assert ":?" in variable


def test_the_broker_keeps_a_file_and_never_evicts() -> None:
    command = SERVICES["broker"]["command"]
    pairs = dict(zip(command[1::2], command[2::2], strict=True))
    assert pairs["--appendonly"] == "yes"
    assert pairs["--maxmemory-policy"] == "noeviction"


def test_only_the_api_and_the_stores_guarded_door_are_published_and_only_to_this_host() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"api", "store"}
    assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("name", WORKERS)
def test_each_worker_sings_a_model_of_the_catalog_and_has_time_to_finish(name: str) -> None:
    model = SERVICES[name]["environment"]["MODEL"]
    assert name == f"worker-{model}"
    assert model in {entry.name for entry in Catalog(Settings.model_construct()).all()}
    assert SERVICES[name]["stop_grace_period"] == "5m"


def test_what_runs_without_asking_is_one_gpu_worker_and_the_tiny_one_needs_no_gpu() -> None:
    assert [name for name in WORKERS if "profiles" not in SERVICES[name]] == ["worker-small"]
    assert SERVICES["worker-small"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert "deploy" not in SERVICES["worker-tiny"]


def test_a_worker_with_a_gpu_refuses_to_make_music_on_the_cpu() -> None:
    with_gpu = {name for name in WORKERS if "deploy" in SERVICES[name]}
    assert {name: SERVICES[name]["environment"]["DEVICE"] for name in WORKERS} == {
        name: "cuda" if name in with_gpu else "cpu" for name in WORKERS
    }
    assert len(with_gpu) == 4


@pytest.mark.parametrize("name", DOCKERFILES)
def test_each_image_is_pinned_unprivileged_and_watched(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text()
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {"python:3.11-slim-bookworm"}
    assert re.search(r"^USER ostinato$", text, re.M)
    assert re.search(r"^HEALTHCHECK ", text, re.M)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_each_copied_path_exists_and_reaches_the_build(name: str) -> None:
    """`.dockerignore` leaves everything out but what it names."""
    let_in = [line[1:].strip() for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "deploy" / name).read_text(), re.M):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert any(source == path or source.startswith(f"{path}/") for path in let_in), source


def test_the_api_image_installs_no_torch() -> None:
    assert "worker.txt" not in (ROOT / "deploy" / "api.Dockerfile").read_text()
    assert not re.search(r"^torch==", (ROOT / "requirements" / "api.txt").read_text(), re.M)


def test_the_cpus_image_takes_torchs_own_build_and_leaves_out_what_only_cuda_needs(tmp_path: Path) -> None:
    """Filter the requirements by the image's own command, as `make install` does in Python."""
    text = (ROOT / "deploy" / "worker-cpu.Dockerfile").read_text()
    command = next(each for each in re.findall(r"^RUN ((?:.*\\\n)*.*)$", text, re.M) if "sed" in each)
    shutil.copy(ROOT / "requirements" / "worker.txt", tmp_path)
    subprocess.run(["sh", "-c", command.replace("/tmp/", "").replace("\\\n", "")], cwd=tmp_path, check=True)
    lines = requirement_lists.read_lines(ROOT / "requirements", ["worker"])
    written = {name: requirement_lists.read_lines(tmp_path, [name]) for name in ("torch", "rest")}
    assert written["torch"] == requirement_lists.cpu_torch_lines(lines)
    assert written["rest"] == requirement_lists.without_gpu(lines)
    assert f"ARG TORCH_INDEX={CPU_INDEX}\n" in text


@pytest.mark.parametrize("name", ["worker.Dockerfile", "worker-cpu.Dockerfile"])
def test_a_workers_image_has_the_kernels_of_its_own_source_and_no_compiler(name: str, tmp_path: Path) -> None:
    """Do what its first stage does in a folder of its own, with a compiler of this machine."""
    build, _, image = (ROOT / "deploy" / name).read_text().rpartition("\nFROM ")
    steps = build.partition("WORKDIR /build\n")[2]
    for source, target in re.findall(r"^COPY (\S+) (\S+)$", steps, re.M):
        put = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        put(ROOT / source, tmp_path / target)
    shutil.rmtree(tmp_path / "worker" / "engine" / "native" / "built", ignore_errors=True)  # .dockerignore
    (command,) = re.findall(r"^RUN python (.+)$", steps, re.M)
    done = subprocess.run([sys.executable, *command.split()], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "compiled the worker's kernels" in done.stdout
    made = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.so")]
    assert made == [compiled_path().relative_to(ROOT).as_posix()]
    assert set(re.findall(r"^COPY --from=build (\S+) ", image, re.M)) == {"/opt/venv", f"/build/{Path(made[0]).parent}"}
    assert not re.search(r"apt|gcc|clang|zig|pip install", image)
    pinned = requirement_lists.read_lines(ROOT / "requirements", ["worker", "audiocraft"])
    assert "ziglang" not in requirement_lists.names_of(pinned)


def test_where_there_is_no_gpu_the_cpus_image_runs() -> None:
    service = SERVICES["worker-tiny"]
    assert service["build"]["dockerfile"] == "deploy/worker-cpu.Dockerfile"
    assert service["environment"]["DEVICE"] == "cpu"
    assert CPU_INDEX in service["build"]["args"]["TORCH_INDEX"]


def test_housekeeping_runs_beside_the_api_from_the_same_image() -> None:
    """The secret of webhooks goes to the process that signs, and has no default."""
    service = SERVICES["housekeeping"]
    assert (service["image"], service["command"]) == (SERVICES["api"]["image"], ["python", "-m", "housekeeping"])
    assert service["environment"]["WEBHOOK_SECRET"] == "${WEBHOOK_SECRET:-}"
    assert [name for name in SERVICES if "WEBHOOK_SECRET" in SERVICES[name].get("environment", {})] == ["housekeeping"]
    assert "ports" not in service
    assert "COPY housekeeping housekeeping" in (ROOT / "deploy" / "api.Dockerfile").read_text()


def test_api_and_housekeeping_agree_on_what_both_of_them_decide() -> None:
    """A private receiver is refused by one and would be connected to by the other; records and blobs live as long."""
    for variable in ("WEBHOOK_ALLOW_PRIVATE", "RESULT_TTL_S", "PUBLIC_URL"):
        assert SERVICES["api"]["environment"][variable] == SERVICES["housekeeping"]["environment"][variable]


@pytest.mark.parametrize("file", ["Procfile", "deploy/worker.Dockerfile", "deploy/worker-cpu.Dockerfile"])
def test_workers_are_started_by_the_bare_command_whose_pool_and_threads_are_configured(file: str) -> None:
    text = (ROOT / file).read_text().replace('", "', " ")
    assert "celery -A worker.app worker" in text
    assert not re.search(r"--pool|--concurrency|\s-[PcQ]\s", text.partition("celery -A worker.app worker")[2])


def test_the_procfile_names_each_process() -> None:
    lines = [line for line in (ROOT / "Procfile").read_text().splitlines() if not line.startswith("#")]
    assert [line.partition(":")[0] for line in lines] == ["api", "worker", "housekeeping"]
