from __future__ import annotations

import pytest

from shared.errors import ConfigurationError
from shared.page_origins import origin_of
from shared.settings import read_settings


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://Studio.Example", "https://studio.example"),
        ("HTTPS://studio.example:443/", "https://studio.example"),
        ("http://localhost:3000/a/b?c#d", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://studio.example:443", "http://studio.example:443"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        *((nothing, None) for nothing in ("null", "", "studio.example", "file://", "http://[::1", "http://a:99999")),
    ],
)
def test_an_origin_is_written_in_one_way(written: str, origin: str | None) -> None:
    assert origin_of(written) == origin


def test_cors_origins_are_read_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://Studio.example/, http://localhost:3000, null, capacitor://localhost, *")
    named = read_settings().cors_origins
    assert named == ("https://studio.example", "http://localhost:3000", "null", "capacitor://localhost", "*")


@pytest.mark.parametrize(
    "bad",
    [
        *("studio.example", "https://*.studio.example", r"https://.*\.studio\.example", "https://studio.example/app"),
        *("https://studio.example?", "https://u@studio.example", "https://", "https://münchen.example", "http://a:b"),
    ],
)
def test_a_pattern_and_what_no_page_can_have_for_an_origin_end_the_start(
    monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f"https://page.example,{bad}")
    with pytest.raises(ConfigurationError, match=r"CORS_ORIGINS.*is no page's origin: write https://studio.example"):
        read_settings()
