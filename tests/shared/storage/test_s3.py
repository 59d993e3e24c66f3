"""What S3 promises beyond the common contract: links, and clear ends when the server or the keys are not right."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, StorageUnavailable
from shared.settings import Settings
from shared.storage import S3Storage, open_storage
from tests.servers import S3Server
from tests.shared.conftest import opening_code, s3_storage_at

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def stopped(s3: S3Server) -> Iterator[None]:
    s3.stop()
    yield
    s3.start()


def s3_settings(**fields: object) -> Settings:
    return Settings(_env_file=None, **({"s3_bucket_name": "music"} | fields))


def test_a_link_works_without_keys(s3_storage: S3Storage, folder: str) -> None:
    s3_storage.put(f"{folder}/a b.wav", b"song", "audio/wav")
    link = s3_storage.link(f"{folder}/a b.wav", download_name='my "söng".wav')
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"song"
        assert answer.headers["Content-Type"] == "audio/wav"
        assert "filename*=UTF-8''my%20%22s%C3%B6ng%22.wav" in answer.headers["Content-Disposition"]
    for unsigned in (link.partition("?")[0], link.replace("X-Amz-Signature=", "X-Amz-Signature=0")):
        assert _status(unsigned) == 403


def test_a_link_expires(s3_storage: S3Storage, folder: str) -> None:
    """Its lifetime counts from the start of the second it was signed in: one of a second may be over at once."""
    s3_storage.put(f"{folder}/a.wav", b"song", "audio/wav")
    short, long = (s3_storage.link(f"{folder}/a.wav", ttl_s=seconds) for seconds in (1, 600))
    time.sleep(2.1)
    assert (_status(short), _status(long)) == (403, 200)


def test_a_download_name_given_at_the_write_is_kept(s3_storage: S3Storage, folder: str) -> None:
    s3_storage.put(f"{folder}/a.wav", b"song", "audio/wav", download_name="mine.wav")
    with urllib.request.urlopen(s3_storage.link(f"{folder}/a.wav")) as answer:
        assert 'filename="mine.wav"' in answer.headers["Content-Disposition"]


def test_links_name_the_public_address_and_the_lifetime() -> None:
    keys = {"s3_access_key": "a", "s3_secret_key": "b", "s3_endpoint_url": "http://inside:9000"}
    storage = open_storage(s3_settings(s3_public_endpoint_url="https://music.example", s3_url_ttl_s=77, **keys))
    link = storage.link("a.wav")
    assert link is not None
    assert link.startswith("https://music.example/music/a.wav?")
    assert "X-Amz-Expires=77" in link


def test_wrong_keys_are_refused_with_the_remedy(s3: S3Server) -> None:
    storage = s3_storage_at(s3, secret_key="not the secret", retry_s=30.0)
    for call in (storage.check, lambda: storage.put("a", b"x", "audio/wav"), lambda: storage.read("a")):
        with pytest.raises(ConfigurationError, match="S3_SECRET_KEY") as refused:
            call()
        assert "not the secret" not in str(refused.value)


def test_half_a_pair_of_keys_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="S3_SECRET_KEY"):
        open_storage(s3_settings(s3_access_key="a"))


def test_a_missing_bucket_is_named(s3: S3Server) -> None:
    storage = s3_storage_at(s3, bucket="no-such-bucket", retry_s=30.0)
    for call in (storage.check, lambda: storage.put("a", b"x", "audio/wav")):
        with pytest.raises(ConfigurationError, match=r"no-such-bucket.*S3_BUCKET_NAME"):
            call()


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match="S3_ENDPOINT_URL"):
        S3Storage("music", endpoint_url="not a url", access_key="a", secret_key="b").check()


def test_a_server_that_is_away_is_told_within_seconds(s3: S3Server, stopped: None) -> None:
    storage = s3_storage_at(s3)
    for call in (storage.check, lambda: storage.read("a"), lambda: storage.put("a", b"x", "audio/wav")):
        since = time.monotonic()
        with pytest.raises(StorageUnavailable, match=s3.endpoint_url):
            call()
        assert time.monotonic() - since < 8.0


def test_a_write_waits_for_a_server_that_comes_back(s3: S3Server, stopped: None, folder: str) -> None:
    writer = _write_in_a_thread(s3, f"{folder}/a.wav", b"song")
    time.sleep(0.3)
    assert writer.is_alive()
    s3.start()
    writer.join(30.0)
    assert s3_storage_at(s3).read(f"{folder}/a.wav") == b"song"


def test_a_write_outlasts_a_server_killed_midway(s3: S3Server, folder: str) -> None:
    client, data = s3.client(), bytes(40_000_000)
    writer = _write_in_a_thread(s3, f"{folder}/a.wav", data)
    while writer.is_alive() and not client.list_multipart_uploads(Bucket=s3.bucket, Prefix=folder).get("Uploads"):
        time.sleep(0.002)
    s3.stop()
    assert writer.is_alive(), "it was done before the kill: make the data larger"
    s3.start()
    writer.join(30.0)
    assert s3_storage_at(s3).stat(f"{folder}/a.wav").bytes == len(data)


def test_readiness_does_not_wait_for_a_server_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        since = time.monotonic()
        with pytest.raises(StorageUnavailable):
            S3Storage("music", endpoint_url=url, access_key="a", secret_key="b").check()
        assert time.monotonic() - since < 5.0


def test_an_answer_that_breaks_off_is_no_whole_blob() -> None:
    class Short(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in {"Content-Length": "1000", "ETag": '"x"', "Content-Type": "audio/wav"}.items():
                self.send_header(name, value)
            self.send_header("Last-Modified", "Tue, 01 Jul 2025 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(bytes(600))

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Short) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        storage = S3Storage("music", endpoint_url=url, access_key="a", secret_key="b", retry_s=0.0)
        with pytest.raises(StorageUnavailable):
            storage.read("a.wav")
        server.shutdown()


def test_many_threads_share_one_store_from_the_first_call(s3_storage: S3Storage, folder: str) -> None:
    keys = [f"{folder}/{number}.wav" for number in range(8)]
    threads = [threading.Thread(target=s3_storage.put, args=(key, key.encode(), "audio/wav")) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [s3_storage.read(key) for key in keys] == [key.encode() for key in keys]


def test_it_works_under_gevent(s3_storage: S3Storage, folder: str) -> None:
    """A multipart upload goes through boto3's own threads, which are greenlets there."""
    code = f"""
from gevent import monkey; monkey.patch_all()
import gevent
{opening_code(s3_storage)}
ticks = []
clock = gevent.spawn(lambda: [ticks.append(1) or gevent.sleep(0.005) for _ in range(100000)])
data = bytes(6_000_000)
jobs = [gevent.spawn(storage.put, f"{folder}/{{n}}.bin", data, "audio/wav") for n in range(3)]
gevent.joinall(jobs, raise_error=True)
assert all(storage.read(f"{folder}/{{n}}.bin") == data for n in range(3))
print(len(ticks))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, timeout=60)
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    assert int(run.stdout) > 10, "the other greenlets stood still"


def test_boto3_is_not_imported_before_it_is_used() -> None:
    code = "import sys, shared.storage; assert not {'boto3', 'botocore', 's3transfer'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def _write_in_a_thread(s3: S3Server, key: str, data: bytes) -> threading.Thread:
    storage = s3_storage_at(s3, retry_s=30.0)
    writer = threading.Thread(target=lambda: storage.put(key, data, "audio/wav"))
    writer.start()
    return writer


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
