"""The page where audio lies on S3: it plays, draws and saves, whether or not the bucket's CORS names the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.page.conftest import Visit
from tests.page.played import Played, serve_played
from tests.servers import S3Server, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]


@pytest.fixture(scope="module", params=["*", "https://elsewhere.example"], ids=["cors", "no cors"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3"), cors_origins=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def played_on_s3(store: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with serve_played(tmp_path_factory.mktemp("played_on_s3"), **store.settings) as serving:
        yield serving


def is_drawn(canvas: Locator) -> bool:
    """Return whether anything of a canvas is painted; it may lie in a shadow."""
    painted = "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    return bool(canvas.evaluate(painted))


def wait_until_drawn(page: Page, canvas: Locator) -> None:
    canvas.wait_for()
    for _ in range(50):
        if is_drawn(canvas):
            return
        page.wait_for_timeout(100)
    raise AssertionError("nothing is drawn")


def names_the_store(document: Response | None, store: S3Server) -> None:
    """The page's policy lets it read from the store's origin."""
    assert document is not None
    policy = dict(each.split(" ", 1) for each in document.headers["content-security-policy"].split("; "))
    for name in ("media-src", "connect-src"):
        assert f"http://{urlsplit(store.endpoint_url).netloc}" in policy[name].split()


def test_a_piece_on_s3_sounds_is_drawn_and_is_saved(
    open_page: Callable[..., Visit], played_on_s3: Played, store: S3Server
) -> None:
    visit = open_page(url=played_on_s3.url, key=played_on_s3.key())
    page = visit.page
    names_the_store(visit.document, store)
    page.get_by_text("More: model, seed, format").click()
    page.locator("#loudness").fill("-14")
    visit.make("far away", 2)
    expect(page.locator(".now .take .transport > .figures")).to_contain_text("0:01 / ")  # it comes all at once
    visit.stage_is("Made")
    task_id = visit.piece("far away").get_attribute("data-id")
    assert store.client().list_objects_v2(Bucket=store.bucket, Prefix=f"ostinato/results/{task_id}/")["KeyCount"] > 0
    page.reload()
    row = visit.piece("far away")
    row.get_by_role("button", name="Play").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()
    row.locator(".title").click()
    wait_until_drawn(page, row.locator(".waveform canvas").first)
    before = row.locator(".waveform canvas").count()
    row.get_by_role("button", name="spectrogram").click()
    expect(row.locator(".waveform canvas").nth(before)).to_be_attached()
    wait_until_drawn(page, row.locator(".waveform canvas").nth(before))
    expect(row.locator(".fault")).to_have_count(0)
    row.get_by_role("button", name="download", exact=True).click()
    for format, magic in (("wav", b"RIFF"), ("flac", b"fLaC")):
        with page.expect_download() as download:
            row.get_by_role("button", name=format, exact=True).click()
        assert download.value.path().read_bytes()[:4] == magic
    row.get_by_role("button", name="as melody").click()
    expect(page.locator(".melody")).to_contain_text("far away")
