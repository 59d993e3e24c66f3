"""docs/licences.md says what is installed: each package's licence, and each binary that a wheel brings."""

from __future__ import annotations

import ctypes
import json
import subprocess
from pathlib import PurePosixPath

import pytest

from tools.licences import (
    BUNDLED,
    FOR_TESTS,
    FORBIDDEN,
    PAGE,
    PAGE_LOCK,
    READ,
    SHIPPED,
    binaries,
    installed,
    licence_of,
    note_of,
    page,
    pinned,
    stated,
)

SHIPPED_PACKAGES = sorted(set().union(*(pinned(file) for files in SHIPPED.values() for file in files)))
ALL_PACKAGES = sorted(set(SHIPPED_PACKAGES).union(*(pinned(file) for file in FOR_TESTS)))


def test_the_page_is_what_the_pinned_packages_say() -> None:
    assert PAGE.read_text() == page(), "python -m tools.licences"


def test_no_package_is_under_the_gpl_or_forbids_commercial_use() -> None:
    assert {name: licence_of(name) for name in ALL_PACKAGES if FORBIDDEN.search(licence_of(name))} == {}


@pytest.mark.parametrize(
    ("licence", "forbidden"),
    [
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0", True),
        ("CC BY-NC 4.0", True),
        ("Creative Commons Attribution-NonCommercial 4.0 International", True),
        ("LGPL-2.1-or-later", False),
        ("NCSA", False),
    ],
)
def test_the_gpl_is_told_from_the_lgpl(licence: str, forbidden: bool) -> None:
    assert bool(FORBIDDEN.search(licence)) is forbidden


def test_what_we_have_read_does_not_contradict_the_packages_own_words() -> None:
    ours = {name: licence for name, licence in READ.items() if name in ALL_PACKAGES}
    theirs = {name: stated(found) for name in ours if (found := installed(name)) is not None}
    assert {name: said for name, said in theirs.items() if said is not None and said != ours[name]} == {}


def test_nothing_is_noted_of_packages_that_are_not_pinned() -> None:
    noted = READ.keys() | {package for note in BUNDLED for package in note.packages}
    assert noted - set(ALL_PACKAGES) == set()


def test_every_binary_that_is_shipped_is_named() -> None:
    unknown = [
        f"{name}: {file}"
        for name in SHIPPED_PACKAGES
        if (found := installed(name)) is not None
        for file in binaries(found)
        if note_of(name, file) is None
    ]
    assert unknown == [], "read their licences, and write them into BUNDLED (tools/licences.toml)"


def test_pyavs_ffmpeg_says_of_itself_what_the_page_says() -> None:
    av = installed("av")
    assert av is not None
    import av as loaded  # its libraries find each other once it is imported

    assert loaded.__version__ == av.version
    library = next(av.locate_file(file) for file in binaries(av) if "libavcodec" in file)
    said = {}
    for what in ("license", "configuration"):
        say = getattr(ctypes.CDLL(str(library)), f"avcodec_{what}")
        say.restype = ctypes.c_char_p
        said[what] = say().decode()
    note = note_of("av", PurePosixPath(str(library)).name)
    assert note is not None
    assert said["license"] == "LGPL version 3 or later"
    assert note.licence.startswith("LGPL-3.0-or-later")
    assert {"--enable-libx264", "--enable-libx265"} <= set(said["configuration"].split())
    assert "x264 and x265 under the GPL" in note.licence


def test_imageios_program_says_of_itself_what_the_page_says() -> None:
    imageio = installed("imageio-ffmpeg")
    assert imageio is not None
    program = next(iter(binaries(imageio)))
    said = subprocess.run([str(imageio.locate_file(program)), "-L"], capture_output=True, text=True, check=True).stdout
    assert "GNU General Public License" in said
    assert "version 3" in said
    note = note_of("imageio-ffmpeg", PurePosixPath(program).name)
    assert note is not None
    assert note.licence == "GPL-3.0-or-later"


def test_no_library_of_the_page_is_under_the_gpl_or_forbids_commercial_use_and_each_ones_text_is_served() -> None:
    lock = json.loads(PAGE_LOCK.read_text())["packages"]
    served = json.loads((PAGE_LOCK.parent / "served.json").read_text())
    libraries = {name.removeprefix("node_modules/"): one for name, one in lock.items() if name and not one.get("dev")}
    assert {name for name, one in libraries.items() if FORBIDDEN.search(one["license"])} == set()
    assert {text.rpartition("/")[0] for text in served["licences"]} == set(libraries)
